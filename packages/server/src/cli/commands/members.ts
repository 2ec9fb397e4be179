/**
 * `holdfast members list|set-role|remove|invite|invitations|uninvite`: a workspace's members and
 * pending invitations.
 */
import { Option, type Command } from "commander";
import { ROLES } from "../../core/roles.ts";
import { addRemoteCommands, inWorkspace, memberId, remoteCommand, withWorkspace } from "../remote/commands.ts";
import { day, table } from "../terminal/output.ts";

const list = remoteCommand({
  usage: "list",
  description: "list the members of a workspace with their roles",
  options: withWorkspace,
  call: async (invocation) => ({ method: "GET", path: await inWorkspace(invocation, "members") }),
  reply: "members",
  print: (value) => {
    const rows = value.members.map((one) => [one.user_id, one.name, one.email, one.role, day(one.created_at)]);
    return { value, text: table(["member", "name", "email", "role", "since"], rows) };
  },
});

const setRole = remoteCommand({
  usage: "set-role <member> <role>",
  description: `change the role of a member (id or email address): ${ROLES.join(", ")}`,
  options: withWorkspace,
  call: async (invocation) => {
    const [member = "", role] = invocation.args;
    const path = await inWorkspace(invocation, "members", await memberId(invocation, member));
    return { method: "PATCH", path, json: { role } };
  },
  reply: "done",
  print: (_reply, { args: [member = "", role = ""] }) => ({
    value: { status: "done", member, role },
    text: `${member} now has the role ${role}.`,
  }),
});

const remove = remoteCommand({
  usage: "remove <member>",
  description: "remove a member (id or email address) from a workspace",
  options: withWorkspace,
  call: async (invocation) => {
    const [member = ""] = invocation.args;
    return { method: "DELETE", path: await inWorkspace(invocation, "members", await memberId(invocation, member)) };
  },
  reply: "done",
  print: (_reply, { args: [member = ""] }) => ({ value: { status: "removed", member }, text: `Removed ${member}.` }),
});

const invite = remoteCommand({
  usage: "invite <email>",
  description: "print a one-time link that admits the owner of this address, for you to send",
  options: (command) =>
    withWorkspace(command).addOption(
      new Option("--role <role>", "the role of the new member").choices(ROLES).makeOptionMandatory(),
    ),
  call: async (invocation) => ({
    method: "POST",
    path: await inWorkspace(invocation, "invitations"),
    json: { email: invocation.args[0], role: invocation.flags.role },
  }),
  reply: "invited",
  print: (value) => ({ value, text: value.invitation_url }),
});

const listInvitations = remoteCommand({
  usage: "invitations",
  description: "list the pending invitations",
  options: withWorkspace,
  call: async (invocation) => ({ method: "GET", path: await inWorkspace(invocation, "invitations") }),
  reply: "invitations",
  print: (value) => {
    const rows = value.invitations.map(({ id, email, role, expires_at }) => [id, email, role, day(expires_at)]);
    const text = table(["invitation", "email", "role", "expires"], rows, "There are no pending invitations.");
    return { value, text };
  },
});

const uninvite = remoteCommand({
  usage: "uninvite <invitation>",
  description: "revoke an invitation, so that its link no longer works",
  options: withWorkspace,
  call: async (invocation) => ({
    method: "DELETE",
    path: await inWorkspace(invocation, "invitations", invocation.args[0] ?? ""),
  }),
  reply: "done",
  print: (_reply, { args: [id = ""] }) => ({ value: { status: "revoked", id }, text: "Invitation revoked." }),
});

export function memberCommands(program: Command): void {
  const group = program.command("members").description("list, invite, promote and remove members of a workspace");
  addRemoteCommands(group, [list, setRole, remove, invite, listInvitations, uninvite]);
}
