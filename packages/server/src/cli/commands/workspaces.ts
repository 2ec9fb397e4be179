/** `holdfast workspaces list|create|rename|leave|delete`. */
import type { Command } from "commander";
import { addRemoteCommands, remoteCommand, WORKSPACES } from "../remote/commands.ts";
import { day, table } from "../terminal/output.ts";

const pathOf = (workspace: string): string => `${WORKSPACES}/${encodeURIComponent(workspace)}`;

const list = remoteCommand({
  usage: "list",
  description: "list your workspaces, with your role in each",
  call: () => ({ method: "GET", path: WORKSPACES }),
  reply: "workspaces",
  print: (value) => {
    const rows = value.workspaces.map((one) => [one.id, one.name, one.plan, one.role, day(one.created_at)]);
    const empty = "You are not in any workspace. Create one: holdfast workspaces create NAME";
    return { value, text: table(["workspace", "name", "plan", "your role", "created"], rows, empty) };
  },
});

const create = remoteCommand({
  usage: "create <name>",
  description: "create a workspace that you own (needs a login, not an API key)",
  call: ({ args: [name] }) => ({ method: "POST", path: WORKSPACES, json: { name } }),
  reply: "workspace",
  print: (value) => ({ value, text: `Created ${value.id} (${value.name}).` }),
});

const rename = remoteCommand({
  usage: "rename <workspace> <name>",
  description: "rename a workspace",
  call: ({ args: [workspace = "", name] }) => ({ method: "PATCH", path: pathOf(workspace), json: { name } }),
  reply: "workspace",
  print: (value) => ({ value, text: `Renamed ${value.id} to ${value.name}.` }),
});

const leave = remoteCommand({
  usage: "leave <workspace>",
  description: "leave a workspace (needs a login, not an API key)",
  call: ({ args: [workspace = ""] }) => ({ method: "POST", path: `${pathOf(workspace)}/leave` }),
  reply: "done",
  print: (_reply, { args: [workspace_id = ""] }) => ({
    value: { status: "left", workspace_id },
    text: `You have left ${workspace_id}.`,
  }),
});

const remove = remoteCommand({
  usage: "delete <workspace>",
  description: "delete a workspace (if it has apps, only with --with-apps)",
  options: (command) => command.option("--with-apps", "also delete its apps and their connections"),
  call: ({ args: [workspace = ""], flags }) => ({
    method: "DELETE",
    path: `${pathOf(workspace)}${flags.withApps === true ? "?with_apps=true" : ""}`,
  }),
  reply: "done",
  print: (_reply, { args: [workspace_id = ""] }) => ({
    value: { status: "deleted", workspace_id },
    text: `Deleted ${workspace_id}.`,
  }),
});

export function workspaceCommands(program: Command): void {
  const group = program
    .command("workspaces")
    .description("list, create, rename, leave and delete workspaces of a server");
  addRemoteCommands(group, [list, create, rename, leave, remove]);
}
