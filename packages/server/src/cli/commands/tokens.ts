/** `holdfast tokens create|list|revoke --app APP`: service tokens of an app's backend. */
import { Option, type Command } from "commander";
import { withManagedApp } from "../remote/management.ts";
import { withApp, type TargetFlags } from "../remote/target.ts";
import { days } from "../terminal/input.ts";
import { day, printResult, table } from "../terminal/output.ts";

type Flags = TargetFlags & { readonly json?: boolean; readonly app: string };
type CreateFlags = Flags & { readonly name: string; readonly expiresInDays?: number };

const DAY_S = 86_400;

export function tokenCommands(program: Command): void {
  const tokens = program
    .command("tokens")
    .description("create, list and revoke service tokens, which an app's backend calls with");
  withApp(tokens.command("create"))
    .description("create a service token and print it once")
    .option("--name <name>", "what the token is for", "backend")
    .addOption(new Option("--expires-in-days <days>", "when it expires (default: never)").argParser(days))
    .action(create);
  withApp(tokens.command("list")).description("list the service tokens of an app").action(list);
  withApp(tokens.command("revoke <id>"))
    .description("revoke a service token, which the server then refuses within a second")
    .action(revoke);
}

async function create(flags: CreateFlags): Promise<void> {
  const expires_in_s = flags.expiresInDays === undefined ? null : flags.expiresInDays * DAY_S;
  const { id, service_token } = await withManagedApp(flags, (api, app) =>
    api.createToken(app, flags.name, expires_in_s),
  );
  const token = service_token.expose();
  printResult(flags, { id, service_token: token }, `${token}\nStore it now: it is not shown again.`);
}

async function list(flags: Flags): Promise<void> {
  const tokens = await withManagedApp(flags, (api, app) => api.listTokens(app));
  const rows = tokens.map((token) => [
    token.id,
    token.name,
    day(token.created_at),
    token.revoked_at === null ? "live" : "revoked",
    day(token.expires_at),
    day(token.last_used_at),
  ]);
  const empty = `The app has no service token. Create one: holdfast tokens create --app ${flags.app}`;
  printResult(flags, { tokens }, table(["id", "name", "created", "state", "expires", "last used"], rows, empty));
}

async function revoke(id: string, flags: Flags): Promise<void> {
  await withManagedApp(flags, (api, app) => api.revokeToken(app, id));
  printResult(flags, { status: "revoked", id }, `Revoked ${id}.`);
}
