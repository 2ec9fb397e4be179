/**
 * Commands that only a running server does, as rows of a table: from what was typed to one call, and from the answer to what
 * is printed. The server decides who may; nothing is decided here.
 */
import type { Command } from "commander";
import { ApiError } from "../../core/errors.ts";
import { createOutput } from "../terminal/output.ts";
import type { Call, Remote } from "./remote.ts";
import type { Fields } from "./reply.ts";
import { resolveRemote, withServer } from "./target.ts";

/** Every option that a row may declare. */
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

export interface Given {
  readonly args: readonly string[];
  readonly flags: RemoteFlags;
  readonly remote: Remote;
}

export interface Printed {
  readonly value: unknown;
  readonly text: string;
}

export interface RemoteCommand {
  /** As commander takes it: `rename <workspace> <name>`. */
  readonly usage: string;
  readonly description: string;
  readonly options?: (command: Command) => Command;
  readonly call: (given: Given) => Call | Promise<Call>;
  readonly print: (fields: Fields, given: Given) => Printed;
}

export function addRemoteCommands(group: Command, rows: readonly RemoteCommand[]): void {
  for (const { usage, description, options, call, print } of rows) {
    const command = withServer(group.command(usage)).description(description);
    (options?.(command) ?? command).action(async () => {
      const flags: RemoteFlags = command.opts();
      const given: Given = { args: command.args, flags, remote: resolveRemote(flags) };
      const { value, text } = await given.remote.call(await call(given), (fields) => print(fields, given));
      createOutput(flags.json === true).result(value, text);
    });
  }
}

export const WORKSPACES = "/api/management/workspaces";

export const withWorkspace = (command: Command): Command =>
  command.option("--workspace <id>", "which workspace (default: the only one that you are in)");

/** The path of the workspace that is meant, and what follows in it. */
export async function inWorkspace({ flags, remote }: Given, ...rest: readonly string[]): Promise<string> {
  const id = flags.workspace ?? (await onlyWorkspace(remote));
  return [WORKSPACES, ...[id, ...rest].map(encodeURIComponent)].join("/");
}

async function onlyWorkspace(remote: Remote): Promise<string> {
  const found = await remote.call({ method: "GET", path: WORKSPACES }, (fields) =>
    fields.list("workspaces", (one) => ({ id: one.text("id"), name: one.text("name") })),
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only.id;
  const names = found.map(({ id, name }) => `${id} (${name})`).join(", ");
  const message =
    only === undefined
      ? "You are in no workspace. Make one: holdfast workspaces create NAME"
      : `You are in several workspaces. Say which with --workspace: ${names}`;
  throw new ApiError("usage", { message });
}

/** By id, or by the address of somebody who is in the workspace. */
export async function memberId(given: Given, named: string): Promise<string> {
  if (!named.includes("@")) return named;
  const email = named.trim().toLowerCase();
  const path = await inWorkspace(given, "members");
  const members = await given.remote.call({ method: "GET", path }, (fields) =>
    fields.list("members", (one) => ({ user_id: one.text("user_id"), email: one.text("email") })),
  );
  const found = members.find((member) => member.email === email);
  if (found !== undefined) return found.user_id;
  throw new ApiError("not_found", { message: `Nobody with the address ${email.slice(0, 100)} is in the workspace.` });
}
