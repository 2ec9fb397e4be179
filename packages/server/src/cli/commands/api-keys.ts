/** `holdfast api-keys create|list|revoke`: keys for a builder's programs, such as a pipeline that runs `connectors push`. */
import { Option, type Command } from "commander";
import { SCOPES } from "../../core/roles.ts";
import { days } from "../terminal/input.ts";
import { day, table } from "../terminal/output.ts";
import { addRemoteCommands, inWorkspace, withWorkspace, type RemoteCommand } from "../remote/commands.ts";

const DAY_S = 86_400;

const COMMANDS: readonly RemoteCommand[] = [
  {
    usage: "create",
    description: "create an API key; prints it this once",
    options: (command) =>
      withWorkspace(command)
        .option("--name <name>", "what it is for", "command line")
        .addOption(new Option("--scope <scope>", "what it may do at most").choices(SCOPES).default("write"))
        .addOption(new Option("--expires-in-days <days>", "end of its life (default none)").argParser(days)),
    call: async (given) => {
      const { name, scope, expiresInDays } = given.flags;
      const expiry = expiresInDays === undefined ? {} : { expires_in_s: expiresInDays * DAY_S };
      return { method: "POST", path: await inWorkspace(given, "keys"), json: { name, scope, ...expiry } };
    },
    print: (fields) => {
      const value = { id: fields.text("id"), api_key: fields.text("api_key") };
      return { value, text: `${value.api_key}\nStore it now: it is not shown again.` };
    },
  },
  {
    usage: "list",
    description: "list the API keys of a workspace, without their secrets",
    options: withWorkspace,
    call: async (given) => ({ method: "GET", path: await inWorkspace(given, "keys") }),
    print: (fields) => {
      const keys = fields.list("keys", (one) => ({
        id: one.text("id"),
        user_id: one.textOrNull("user_id"),
        name: one.text("name"),
        scope: one.text("scope"),
        created_at: one.count("created_at"),
        expires_at: one.countOrNull("expires_at"),
        revoked_at: one.countOrNull("revoked_at"),
        last_used_at: one.countOrNull("last_used_at"),
      }));
      const rows = keys.map((key) => [
        key.id,
        key.name,
        key.scope,
        key.revoked_at === null ? "live" : "revoked",
        day(key.expires_at),
        day(key.last_used_at),
      ]);
      const empty = "The workspace has no API key. Create one: holdfast api-keys create";
      return { value: { keys }, text: table(["id", "name", "scope", "state", "expires", "last used"], rows, empty) };
    },
  },
  {
    usage: "revoke <id>",
    description: "revoke an API key; the server refuses it within a second",
    options: withWorkspace,
    call: async (given) => ({ method: "DELETE", path: await inWorkspace(given, "keys", given.args[0] ?? "") }),
    print: (_fields, { args: [id = ""] }) => ({ value: { status: "revoked", id }, text: `Revoked ${id}.` }),
  },
];

export function apiKeyCommands(program: Command): void {
  const group = program
    .command("api-keys")
    .description("create, list and revoke API keys, which builders' programs use");
  addRemoteCommands(group, COMMANDS);
}
