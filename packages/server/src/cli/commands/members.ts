/** `holdfast members list|set-role|remove|invite|invitations|uninvite`: who is in a workspace, and who is asked in. */
import { Option, type Command } from "commander";
import { ROLES } from "../../core/roles.ts";
import { day, table } from "../terminal/output.ts";
import { addRemoteCommands, inWorkspace, memberId, withWorkspace, type RemoteCommand } from "../remote/commands.ts";

const COMMANDS: readonly RemoteCommand[] = [
  {
    usage: "list",
    description: "list the members of a workspace with their roles",
    call: async (given) => ({ method: "GET", path: await inWorkspace(given, "members") }),
    print: (fields) => {
      const members = fields.list("members", (one) => ({
        user_id: one.text("user_id"),
        name: one.text("name"),
        email: one.text("email"),
        role: one.text("role"),
        created_at: one.count("created_at"),
      }));
      const rows = members.map(({ user_id, name, email, role, created_at }) => [
        user_id,
        name,
        email,
        role,
        day(created_at),
      ]);
      return { value: { members }, text: table(["member", "name", "e-mail", "role", "since"], rows) };
    },
  },
  {
    usage: "set-role <member> <role>",
    description: `give a member (id or e-mail address) another role: ${ROLES.join(", ")}`,
    call: async (given) => {
      const { args } = given;
      const path = await inWorkspace(given, "members", await memberId(given, args[0] ?? ""));
      return { method: "PATCH", path, json: { role: args[1] } };
    },
    print: (_fields, { args: [member = "", role = ""] }) => ({
      value: { status: "done", member, role },
      text: `${member} has the role ${role} now.`,
    }),
  },
  {
    usage: "remove <member>",
    description: "put a member (id or e-mail address) out of a workspace",
    call: async (given) => {
      const path = await inWorkspace(given, "members", await memberId(given, given.args[0] ?? ""));
      return { method: "DELETE", path };
    },
    print: (_fields, { args: [member = ""] }) => ({
      value: { status: "removed", member },
      text: `Removed ${member}.`,
    }),
  },
  {
    usage: "invite <email>",
    description: "print a one-time link that lets whoever has this address in; hand it over yourself",
    options: (command) =>
      command.addOption(new Option("--role <role>", "the role to have").choices(ROLES).makeOptionMandatory()),
    call: async (given) => ({
      method: "POST",
      path: await inWorkspace(given, "invitations"),
      json: { email: given.args[0], role: given.flags.role },
    }),
    print: (fields) => {
      const value = { id: fields.text("id"), invitation_url: fields.text("invitation_url") };
      return { value, text: value.invitation_url };
    },
  },
  {
    usage: "invitations",
    description: "list the invitations that nobody has taken up yet",
    call: async (given) => ({ method: "GET", path: await inWorkspace(given, "invitations") }),
    print: (fields) => {
      const invitations = fields.list("invitations", (one) => ({
        id: one.text("id"),
        email: one.text("email"),
        role: one.text("role"),
        expires_at: one.count("expires_at"),
      }));
      const rows = invitations.map(({ id, email, role, expires_at }) => [id, email, role, day(expires_at)]);
      return {
        value: { invitations },
        text: table(["invitation", "e-mail", "role", "expires"], rows, "There is no open invitation."),
      };
    },
  },
  {
    usage: "uninvite <invitation>",
    description: "take an invitation back: its link lets nobody in any more",
    call: async (given) => ({
      method: "DELETE",
      path: await inWorkspace(given, "invitations", given.args[0] ?? ""),
    }),
    print: (_fields, { args: [id = ""] }) => ({ value: { status: "revoked", id }, text: `Took ${id} back.` }),
  },
];

export function memberCommands(program: Command): void {
  const group = program.command("members").description("list, invite, promote and remove members of a workspace");
  const rows = COMMANDS.map((row) => ({
    ...row,
    options: (command: Command) => withWorkspace(row.options?.(command) ?? command),
  }));
  addRemoteCommands(group, rows);
}
