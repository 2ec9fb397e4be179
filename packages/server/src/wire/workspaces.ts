/**
 * Workspaces, their members, invitations and API keys: bodies and replies of the management routes.
 */
import { Type } from "typebox";
import { PLANS, ROLES, SCOPES } from "../core/roles.ts";
import { Instant, Lifetime, nullable, strict, text } from "./fields.ts";

const oneOf = <V extends string>(values: readonly V[]) => Type.Unsafe<V>(Type.Enum([...values]));

const Plan = oneOf(PLANS);
const Role = oneOf(ROLES);
const Scope = oneOf(SCOPES);

export const MemberParams = Type.Object({ workspace: text(64), user: text(64) });
export const InvitationParams = Type.Object({ workspace: text(64), invitation: text(64) });
export const KeyParams = Type.Object({ workspace: text(64), key: text(64) });

export const WorkspaceReply = Type.Object({
  id: Type.String(),
  name: Type.String(),
  plan: Plan,
  role: Role,
  created_at: Instant,
});
export const WorkspacesReply = Type.Object({ workspaces: Type.Array(WorkspaceReply) });
export const CreateWorkspaceBody = strict({ name: text(400) });
export const ChangeWorkspaceBody = strict({ name: Type.Optional(text(400)), plan: Type.Optional(Plan) });
/** `with_apps=true` also deletes all apps of the workspace. */
export const DeleteWorkspaceQuery = Type.Object({
  with_apps: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])),
});
export const TransferBody = strict({ user_id: text(64) });

export const MembersReply = Type.Object({
  members: Type.Array(
    Type.Object({
      user_id: Type.String(),
      name: Type.String(),
      email: Type.String(),
      role: Role,
      created_at: Instant,
    }),
  ),
});
export const ChangeMemberBody = strict({ role: Role });

export const InviteBody = strict({ email: text(254), role: Role });
/** The only reply that contains the link. */
export const InvitedReply = Type.Object({ id: Type.String(), invitation_url: Type.String() });
export const InvitationsReply = Type.Object({
  invitations: Type.Array(
    Type.Object({
      id: Type.String(),
      email: Type.String(),
      role: Role,
      invited_by: Type.String(),
      created_at: Instant,
      expires_at: Instant,
    }),
  ),
});

export const CreateKeyBody = strict({
  name: text(400),
  scope: Type.Optional(Scope),
  expires_in_s: Type.Optional(Lifetime),
});
/** The only reply that contains the key. */
export const CreatedKeyReply = Type.Object({ id: Type.String(), api_key: Type.String() });
export const KeysReply = Type.Object({
  keys: Type.Array(
    Type.Object({
      id: Type.String(),
      user_id: nullable(Type.String()),
      name: Type.String(),
      scope: Scope,
      created_at: Instant,
      expires_at: nullable(Instant),
      revoked_at: nullable(Instant),
      last_used_at: nullable(Instant),
    }),
  ),
});
