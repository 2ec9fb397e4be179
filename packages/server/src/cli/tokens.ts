/** `holdfast tokens create|list|revoke --app APP`: service tokens of an app's backend. */
import { Option, type Command } from "commander";
import { ApiError } from "../core/errors.ts";
import { plus, type AppId } from "../core/types.ts";
import { DATA_DIR, withInstallation, type LocalFlags } from "./local.ts";
import { createOutput, day, table } from "./output.ts";

type Flags = LocalFlags & { json?: boolean; app: AppId };
const APP = ["--app <app>", "the app's id"] as const;
const DAY_MS = 86_400_000;

export function tokenCommands(program: Command): void {
  const tokens = program
    .command("tokens")
    .description("create, list and revoke service tokens, which an app's backend calls with");

  tokens
    .command("create")
    .description("create a service token; prints it this once")
    .requiredOption(...APP)
    .option("--name <name>", "what it is for", "backend")
    .addOption(new Option("--expires-in-days <days>", "end of its life (default none)").argParser(days))
    .option(...DATA_DIR)
    .action(async (flags: Flags & { name: string; expiresInDays?: number }) => {
      const { id, service_token } = await withInstallation(flags, ({ apps, clock }) =>
        apps.createToken(
          flags.app,
          flags.name,
          flags.expiresInDays === undefined ? null : plus(clock.now(), flags.expiresInDays * DAY_MS),
        ),
      );
      const token = service_token.expose();
      createOutput(flags.json === true).result(
        { id, service_token: token },
        `${token}\nStore it now: it is not shown again.`,
      );
    });

  tokens
    .command("list")
    .description("list the service tokens of an app")
    .requiredOption(...APP)
    .option(...DATA_DIR)
    .action(async (flags: Flags) => {
      const list = await withInstallation(flags, ({ apps }) => apps.listTokens(flags.app));
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

  tokens
    .command("revoke <id>")
    .description("revoke a service token; the server refuses it within a second")
    .requiredOption(...APP)
    .option(...DATA_DIR)
    .action(async (id: string, flags: Flags) => {
      await withInstallation(flags, ({ apps }) => apps.revokeToken(flags.app, id));
      createOutput(flags.json === true).result({ status: "revoked", id }, `Revoked ${id}.`);
    });
}

function days(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw new ApiError("usage", { message: "--expires-in-days takes a whole number from 1 to 9999." });
  return Number(text);
}
