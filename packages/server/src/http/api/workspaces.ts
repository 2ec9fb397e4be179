/**
 * Workspaces, for their members: names, plans, members, invitations, API keys. A reply shows a
 * secret once.
 */
import { asUserId, asWorkspaceId } from "../../core/ids.ts";
import { plus } from "../../core/types.ts";
import type { HttpServer } from "../fastify.ts";
import { requireUser, requireBuilder, requireWorkspaceBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { WorkspaceParams } from "../../wire/fields.ts";
import { DoneReply } from "../../wire/management.ts";
import {
  ChangeMemberBody,
  ChangeWorkspaceBody,
  CreateKeyBody,
  CreateWorkspaceBody,
  CreatedKeyReply,
  DeleteWorkspaceQuery,
  InvitationParams,
  InvitationsReply,
  InviteBody,
  InvitedReply,
  KeyParams,
  KeysReply,
  MemberParams,
  MembersReply,
  TransferBody,
  WorkspaceReply,
  WorkspacesReply,
} from "../../wire/workspaces.ts";

const BASE = "/api/management/workspaces";
const DONE = { status: "done" as const };

export function workspaceRoutes(server: HttpServer, context: HttpContext): void {
  listRoutes(server, context);
  changeRoutes(server, context);
  ownershipRoutes(server, context);
  memberRoutes(server, context);
  invitationRoutes(server, context);
  keyRoutes(server, context);
}

function listRoutes(server: HttpServer, context: HttpContext): void {
  const { workspaces, authorization } = context;

  server.get(BASE, { schema: { response: { 200: WorkspacesReply } } }, async (request) => {
    const principal = await requireBuilder(context, request);
    return { workspaces: [...(await authorization.workspaces(principal))] };
  });

  server.post(BASE, { schema: { body: CreateWorkspaceBody, response: { 200: WorkspaceReply } } }, async (request) => {
    const principal = await requireBuilder(context, request);
    const user_id = requireUser(principal);
    authorization.requireSignedIn(principal);
    const created = await workspaces.create(request.body.name, user_id);
    context.audit.record({ actor: principal.actor, action: "workspace.create", workspace_id: created.id });
    return { ...created, role: "owner" as const };
  });
}

function changeRoutes(server: HttpServer, context: HttpContext): void {
  const { workspaces, apps } = context;

  server.patch(
    `${BASE}/:workspace`,
    { schema: { params: WorkspaceParams, body: ChangeWorkspaceBody, response: { 200: WorkspaceReply } } },
    async (request) => {
      const { name, plan } = request.body;
      const action = plan === undefined ? "workspace.rename" : "workspace.plan";
      const { principal, id, role } = await requireWorkspaceBuilder(context, request, request.params.workspace, action);
      const { actor } = principal;
      if (name !== undefined) {
        await workspaces.rename(id, name);
        context.audit.record({ actor, action: "workspace.rename", workspace_id: id });
      }
      if (plan !== undefined) {
        await workspaces.setPlan(id, plan);
        context.audit.record({ actor, action: "workspace.plan", target: plan, workspace_id: id });
      }
      return { ...(await workspaces.get(id)), role };
    },
  );

  server.delete(
    `${BASE}/:workspace`,
    { schema: { params: WorkspaceParams, querystring: DeleteWorkspaceQuery, response: { 200: DoneReply } } },
    async (request) => {
      const { workspace } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "workspace.delete");
      await apps.removeWorkspace(id, request.query.with_apps === "true");
      context.audit.record({ actor: principal.actor, action: "workspace.delete", workspace_id: id });
      return DONE;
    },
  );
}

function ownershipRoutes(server: HttpServer, context: HttpContext): void {
  const { workspaces, authorization } = context;

  server.post(
    `${BASE}/:workspace/transfer`,
    { schema: { params: WorkspaceParams, body: TransferBody, response: { 200: DoneReply } } },
    async (request) => {
      const { workspace } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "workspace.transfer");
      const { user_id: target } = request.body;
      await workspaces.transfer(id, principal.user_id, asUserId(target));
      context.audit.record({ actor: principal.actor, action: "workspace.transfer", target, workspace_id: id });
      return DONE;
    },
  );

  server.post(
    `${BASE}/:workspace/leave`,
    { schema: { params: WorkspaceParams, response: { 200: DoneReply } } },
    async (request) => {
      const principal = await requireBuilder(context, request);
      const user_id = requireUser(principal);
      authorization.requireSignedIn(principal);
      const id = asWorkspaceId(request.params.workspace);
      const role = await authorization.require(principal, id, "workspace.leave");
      await workspaces.setRole(id, user_id, null, role);
      context.audit.record({ actor: principal.actor, action: "workspace.leave", workspace_id: id });
      return DONE;
    },
  );
}

function memberRoutes(server: HttpServer, context: HttpContext): void {
  const { workspaces } = context;

  server.get(
    `${BASE}/:workspace/members`,
    { schema: { params: WorkspaceParams, response: { 200: MembersReply } } },
    async (request) => {
      const { id } = await requireWorkspaceBuilder(context, request, request.params.workspace, "member.read");
      return { members: [...(await workspaces.members(id))] };
    },
  );

  server.patch(
    `${BASE}/:workspace/members/:user`,
    { schema: { params: MemberParams, body: ChangeMemberBody, response: { 200: DoneReply } } },
    async (request) => {
      const { workspace, user } = request.params;
      const { principal, id, role } = await requireWorkspaceBuilder(context, request, workspace, "member.manage");
      await workspaces.setRole(id, asUserId(user), request.body.role, role);
      const target = `${user}:${request.body.role}`;
      context.audit.record({ actor: principal.actor, action: "member.role", target, workspace_id: id });
      return DONE;
    },
  );

  server.delete(
    `${BASE}/:workspace/members/:user`,
    { schema: { params: MemberParams, response: { 200: DoneReply } } },
    async (request) => {
      const { workspace, user } = request.params;
      const { principal, id, role } = await requireWorkspaceBuilder(context, request, workspace, "member.manage");
      await workspaces.setRole(id, asUserId(user), null, role);
      context.audit.record({ actor: principal.actor, action: "member.remove", target: user, workspace_id: id });
      return DONE;
    },
  );
}

function invitationRoutes(server: HttpServer, context: HttpContext): void {
  const { workspaces } = context;

  server.get(
    `${BASE}/:workspace/invitations`,
    { schema: { params: WorkspaceParams, response: { 200: InvitationsReply } } },
    async (request) => {
      const { id } = await requireWorkspaceBuilder(context, request, request.params.workspace, "member.manage");
      return { invitations: [...(await workspaces.invitations(id))] };
    },
  );

  server.post(
    `${BASE}/:workspace/invitations`,
    { schema: { params: WorkspaceParams, body: InviteBody, response: { 200: InvitedReply } } },
    async (request, reply) => {
      const { workspace } = request.params;
      const { principal, id, role: by } = await requireWorkspaceBuilder(context, request, workspace, "member.manage");
      const { actor } = principal;
      const invited = await workspaces.invite(id, { ...request.body, by, actor });
      context.audit.record({ actor, action: "invitation.create", target: invited.id, workspace_id: id });
      void reply.header("cache-control", "no-store");
      return invited;
    },
  );

  server.delete(
    `${BASE}/:workspace/invitations/:invitation`,
    { schema: { params: InvitationParams, response: { 200: DoneReply } } },
    async (request) => {
      const { workspace, invitation } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "member.manage");
      await workspaces.revokeInvitation(id, invitation);
      const { actor } = principal;
      context.audit.record({ actor, action: "invitation.revoke", target: invitation, workspace_id: id });
      return DONE;
    },
  );
}

function keyRoutes(server: HttpServer, context: HttpContext): void {
  const { apiKeys, clock } = context;

  server.get(
    `${BASE}/:workspace/keys`,
    { schema: { params: WorkspaceParams, response: { 200: KeysReply } } },
    async (request) => {
      const { id } = await requireWorkspaceBuilder(context, request, request.params.workspace, "api_key.manage");
      return { keys: [...(await apiKeys.list(id))] };
    },
  );

  server.post(
    `${BASE}/:workspace/keys`,
    { schema: { params: WorkspaceParams, body: CreateKeyBody, response: { 200: CreatedKeyReply } } },
    async (request, reply) => {
      const { workspace } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "api_key.manage");
      const { name, scope = "write", expires_in_s } = request.body;
      const expires_at = expires_in_s === undefined ? null : plus(clock.now(), expires_in_s * 1000);
      const { user_id, actor } = principal;
      const created = await apiKeys.create({ workspace_id: id, user_id, name, scope, expires_at });
      context.audit.record({ actor, action: "api_key.create", target: created.id, workspace_id: id });
      void reply.header("cache-control", "no-store");
      return { id: created.id, api_key: created.api_key.expose() };
    },
  );

  server.delete(
    `${BASE}/:workspace/keys/:key`,
    { schema: { params: KeyParams, response: { 200: DoneReply } } },
    async (request) => {
      const { workspace, key } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "api_key.manage");
      await apiKeys.revoke(id, key);
      context.audit.record({ actor: principal.actor, action: "api_key.revoke", target: key, workspace_id: id });
      return DONE;
    },
  );
}
