/**
 * `holdfast api-keys create|list|revoke`: keys for a builder's programs, such as a pipeline that
 * runs `connectors push`.
 */
import { Option, type Command } from "commander";
import { SCOPES } from "../../core/roles.ts";
import { addRemoteCommands, inWorkspace, remoteCommand, withWorkspace } from "../remote/commands.ts";
import { days } from "../terminal/input.ts";
import { day, table } from "../terminal/output.ts";

const DAY_S = 86_400;

const create = remoteCommand({
  usage: "create",
  description: "create an API key and print it once",
  options: (command) =>
    withWorkspace(command)
      .option("--name <name>", "what the key is for", "command line")
      .addOption(new Option("--scope <scope>", "the most that the key can do").choices(SCOPES).default("write"))
      .addOption(new Option("--expires-in-days <days>", "when it expires (default: never)").argParser(days)),
  call: async (invocation) => {
    const { name, scope, expiresInDays } = invocation.flags;
    const expiry = expiresInDays === undefined ? {} : { expires_in_s: expiresInDays * DAY_S };
    return { method: "POST", path: await inWorkspace(invocation, "keys"), json: { name, scope, ...expiry } };
  },
  reply: "created_key",
  print: (value) => ({ value, text: `${value.api_key}\nStore it now: it is not shown again.` }),
});

const list = remoteCommand({
  usage: "list",
  description: "list the API keys of a workspace, without their secrets",
  options: withWorkspace,
  call: async (invocation) => ({ method: "GET", path: await inWorkspace(invocation, "keys") }),
  reply: "keys",
  print: (value) => {
    const rows = value.keys.map((key) => [
      key.id,
      key.name,
      key.scope,
      key.revoked_at === null ? "live" : "revoked",
      day(key.expires_at),
      day(key.last_used_at),
    ]);
    const empty = "The workspace has no API key. Create one: holdfast api-keys create";
    return { value, text: table(["id", "name", "scope", "state", "expires", "last used"], rows, empty) };
  },
});

const revoke = remoteCommand({
  usage: "revoke <id>",
  description: "revoke an API key, which the server then refuses within a second",
  options: withWorkspace,
  call: async (invocation) => ({
    method: "DELETE",
    path: await inWorkspace(invocation, "keys", invocation.args[0] ?? ""),
  }),
  reply: "done",
  print: (_reply, { args: [id = ""] }) => ({ value: { status: "revoked", id }, text: `Revoked ${id}.` }),
});

export function apiKeyCommands(program: Command): void {
  const group = program.command("api-keys").description("create, list and revoke API keys for builders' programs");
  addRemoteCommands(group, [create, list, revoke]);
}
