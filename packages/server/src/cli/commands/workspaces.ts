/** `holdfast workspaces list|create|rename|leave|delete`. */
import type { Command } from "commander";
import { day, table } from "../terminal/output.ts";
import { addRemoteCommands, WORKSPACES, type RemoteCommand } from "../remote/commands.ts";
import type { Fields } from "../remote/reply.ts";

const pathOf = (workspace: string): string => `${WORKSPACES}/${encodeURIComponent(workspace)}`;

const COMMANDS: readonly RemoteCommand[] = [
  {
    usage: "list",
    description: "list the workspaces that you are in, with your role in each",
    call: () => ({ method: "GET", path: WORKSPACES }),
    print: (fields) => {
      const workspaces = fields.list("workspaces", readWorkspace);
      const rows = workspaces.map(({ id, name, plan, role, created_at }) => [id, name, plan, role, day(created_at)]);
      const empty = "You are in no workspace. Make one: holdfast workspaces create NAME";
      return { value: { workspaces }, text: table(["workspace", "name", "plan", "your role", "created"], rows, empty) };
    },
  },
  {
    usage: "create <name>",
    description: "create a workspace, which you then own; takes a login, not an API key",
    call: ({ args: [name] }) => ({ method: "POST", path: WORKSPACES, json: { name } }),
    print: (fields) => {
      const value = readWorkspace(fields);
      return { value, text: `Created ${value.id} (${value.name}).` };
    },
  },
  {
    usage: "rename <workspace> <name>",
    description: "give a workspace another name",
    call: ({ args: [workspace = "", name] }) => ({ method: "PATCH", path: pathOf(workspace), json: { name } }),
    print: (fields) => {
      const value = readWorkspace(fields);
      return { value, text: `${value.id} is named ${value.name} now.` };
    },
  },
  {
    usage: "leave <workspace>",
    description: "give up your own place in a workspace; takes a login, not an API key",
    call: ({ args: [workspace = ""] }) => ({ method: "POST", path: `${pathOf(workspace)}/leave` }),
    print: (_fields, { args: [workspace_id = ""] }) => ({
      value: { status: "left", workspace_id },
      text: `You are not in ${workspace_id} any more.`,
    }),
  },
  {
    usage: "delete <workspace>",
    description: "delete a workspace; with apps in it only when that is said",
    options: (command) => command.option("--with-apps", "delete its apps and their connections too"),
    call: ({ args: [workspace = ""], flags }) => ({
      method: "DELETE",
      path: `${pathOf(workspace)}${flags.withApps === true ? "?with_apps=true" : ""}`,
    }),
    print: (_fields, { args: [workspace_id = ""] }) => ({
      value: { status: "deleted", workspace_id },
      text: `Deleted ${workspace_id}.`,
    }),
  },
];

export function workspaceCommands(program: Command): void {
  const group = program
    .command("workspaces")
    .description("list, create, rename, leave and delete workspaces of a server");
  addRemoteCommands(group, COMMANDS);
}

function readWorkspace(one: Fields) {
  return {
    id: one.text("id"),
    name: one.text("name"),
    plan: one.text("plan"),
    role: one.text("role"),
    created_at: one.count("created_at"),
  };
}
