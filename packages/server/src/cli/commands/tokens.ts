/** `holdfast tokens create|list|revoke --app APP`: service tokens of an app's backend. */
import { Option, type Command } from "commander";
import { days } from "../terminal/input.ts";
import { withManagement } from "../remote/management.ts";
import { createOutput, day, table } from "../terminal/output.ts";
import { withApp, type TargetFlags } from "../remote/target.ts";

type Flags = TargetFlags & { json?: boolean; app: string };
const DAY_S = 86_400;

export function tokenCommands(program: Command): void {
  const tokens = program
    .command("tokens")
    .description("create, list and revoke service tokens, which an app's backend calls with");

  withApp(tokens.command("create"))
    .description("create a service token; prints it this once")
    .option("--name <name>", "what it is for", "backend")
    .addOption(new Option("--expires-in-days <days>", "end of its life (default none)").argParser(days))
    .action(async (flags: Flags & { name: string; expiresInDays?: number }) => {
      const expires_in_s = flags.expiresInDays === undefined ? null : flags.expiresInDays * DAY_S;
      const { id, service_token } = await withManagement(flags, (api) =>
        api.createToken(flags.app, flags.name, expires_in_s),
      );
      const token = service_token.expose();
      createOutput(flags.json === true).result(
        { id, service_token: token },
        `${token}\nStore it now: it is not shown again.`,
      );
    });

  withApp(tokens.command("list"))
    .description("list the service tokens of an app")
    .action(async (flags: Flags) => {
      const list = await withManagement(flags, (api) => api.listTokens(flags.app));
      const text = table(
        ["id", "name", "created", "state", "expires", "last used"],
        list.map((token) => [
          token.id,
          token.name,
          day(token.created_at),
          token.revoked_at === null ? "live" : "revoked",
          day(token.expires_at),
          day(token.last_used_at),
        ]),
        `The app has no service token. Create one: holdfast tokens create --app ${flags.app}`,
      );
      createOutput(flags.json === true).result({ tokens: list }, text);
    });

  withApp(tokens.command("revoke <id>"))
    .description("revoke a service token; the server refuses it within a second")
    .action(async (id: string, flags: Flags) => {
      await withManagement(flags, (api) => api.revokeToken(flags.app, id));
      createOutput(flags.json === true).result({ status: "revoked", id }, `Revoked ${id}.`);
    });
}
