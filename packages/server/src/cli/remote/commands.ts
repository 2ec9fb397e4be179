/**
 * Commands that need a running server, as rows of a table. A row makes one call from the user's
 * arguments, and prints its reply. The server decides who is allowed to do it.
 */
import type { Command } from "commander";
import { CodedError } from "../../core/errors.ts";
import { createOutput } from "../terminal/output.ts";
import type { Call, Remote } from "./remote.ts";
import type { Reply, ReplyName } from "./reply.ts";
import { resolveRemote, withServer } from "./target.ts";

/** Every option that a row can declare. */
export interface RemoteFlags {
  readonly server?: string;
  readonly json?: boolean;
  readonly workspace?: string;
  readonly name?: string;
  readonly role?: string;
  readonly scope?: string;
  readonly expiresInDays?: number;
  readonly withApps?: boolean;
}

/** The command line of a row, and the server that it is for. */
export interface Invocation {
  readonly args: readonly string[];
  readonly flags: RemoteFlags;
  readonly remote: Remote;
}

/** `value` for --json, `text` otherwise. */
export interface Printed {
  readonly value: unknown;
  readonly text: string;
}

interface Row {
  /** In commander's syntax: `rename <workspace> <name>`. */
  readonly usage: string;
  readonly description: string;
  readonly options?: (command: Command) => Command;
}

interface CallingRow<N extends ReplyName> extends Row {
  readonly call: (invocation: Invocation) => Call | Promise<Call>;
  readonly reply: N;
  readonly print: (reply: Reply<N>, invocation: Invocation) => Printed;
}

export interface RemoteCommand extends Row {
  readonly run: (invocation: Invocation) => Promise<Printed>;
}

/** Returns a row of the table. */
export function remoteCommand<N extends ReplyName>({ call, reply, print, ...row }: CallingRow<N>): RemoteCommand {
  return {
    ...row,
    run: async (invocation) => print(await invocation.remote.call(await call(invocation), reply), invocation),
  };
}

export function addRemoteCommands(group: Command, rows: readonly RemoteCommand[]): void {
  for (const { usage, description, options, run } of rows) {
    const command = withServer(group.command(usage)).description(description);
    (options?.(command) ?? command).action(async () => {
      const flags: RemoteFlags = command.opts();
      const { value, text } = await run({ args: command.args, flags, remote: resolveRemote(flags) });
      createOutput(flags.json === true).result(value, text);
    });
  }
}

export const WORKSPACES = "/api/management/workspaces";

export const withWorkspace = (command: Command): Command =>
  command.option("--workspace <id>", "the workspace (default: your only one)");

/** Returns the path of the workspace that the command is for, followed by `rest`. */
export async function inWorkspace({ flags, remote }: Invocation, ...rest: readonly string[]): Promise<string> {
  const id = flags.workspace ?? (await onlyWorkspace(remote));
  return [WORKSPACES, ...[id, ...rest].map(encodeURIComponent)].join("/");
}

async function onlyWorkspace(remote: Remote): Promise<string> {
  const { workspaces } = await remote.call({ method: "GET", path: WORKSPACES }, "workspaces");
  const [only] = workspaces;
  if (only !== undefined && workspaces.length === 1) return only.id;
  const names = workspaces.map(({ id, name }) => `${id} (${name})`).join(", ");
  const message =
    only === undefined
      ? "You are not in any workspace. Create one: holdfast workspaces create NAME"
      : `You are in several workspaces. Choose one with --workspace: ${names}`;
  throw new CodedError("usage", { message });
}

/** Returns the id of a member who is named by id or by email address. */
export async function memberId(invocation: Invocation, named: string): Promise<string> {
  if (!named.includes("@")) return named;
  const email = named.trim().toLowerCase();
  const path = await inWorkspace(invocation, "members");
  const { members } = await invocation.remote.call({ method: "GET", path }, "members");
  const found = members.find((member) => member.email === email);
  if (found !== undefined) return found.user_id;
  throw new CodedError("not_found", { message: `No member of the workspace has the address ${email.slice(0, 100)}.` });
}
