/**
 * Apps, service tokens, OAuth clients and the audit trail: bodies and replies of the management
 * routes.
 */
import { Type } from "typebox";
import { Instant, Lifetime, nullable, strict, text } from "./fields.ts";

export const CreateAppBody = strict({ name: text(400), workspace_id: Type.Optional(text(64)) });
export const CreatedAppReply = Type.Object({
  app_id: Type.String(),
  service_token: Type.String(),
  api_key: nullable(Type.String()),
});
export const AppReply = Type.Object({
  id: Type.String(),
  workspace_id: Type.String(),
  name: Type.String(),
  functions_enabled: Type.Boolean(),
  created_at: Instant,
});
export const AppsReply = Type.Object({ apps: Type.Array(AppReply) });
export const ChangeAppBody = strict({
  name: Type.Optional(text(400)),
  functions_enabled: Type.Optional(Type.Boolean()),
});
export const DoneReply = Type.Object({ status: Type.Literal("done") });

export const CreateTokenBody = strict({
  name: text(400),
  expires_in_s: Type.Optional(Lifetime),
});
export const CreatedTokenReply = Type.Object({ id: Type.String(), service_token: Type.String() });
export const TokensReply = Type.Object({
  tokens: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      created_at: Instant,
      expires_at: nullable(Instant),
      revoked_at: nullable(Instant),
      last_used_at: nullable(Instant),
    }),
  ),
});
export const TokenParams = Type.Object({ app: text(64), token: text(64) });

export const SetClientBody = strict({
  client_id: text(512),
  client_secret: text(4096),
  shared_callback: Type.Optional(Type.Boolean()),
});
export const ClientParams = Type.Object({ integration_type: text(128) });
export const ClientReply = Type.Object({
  id: Type.String(),
  workspace_id: nullable(Type.String()),
  integration_type: Type.String(),
  client_id: Type.String(),
  shared_callback: Type.Boolean(),
  /** Register this URI with the provider. */
  redirect_uri: Type.String(),
  created_at: Instant,
  updated_at: Instant,
});
export const ClientsReply = Type.Object({ clients: Type.Array(ClientReply) });

/** Whether a workspace can use the installation's clients, and why. */
const SharingReply = Type.Object({ serves: Type.Boolean(), allowed: Type.Boolean(), same_owners: Type.Boolean() });
export const WorkspaceClientsReply = Type.Object({
  clients: Type.Array(ClientReply),
  installation_clients: SharingReply,
});
export const ShareClientsBody = strict({ allowed: Type.Boolean() });
export const ShareClientsReply = Type.Object({ installation_clients: SharingReply, risk: Type.String() });

/** Times are ms since the epoch, or RFC 3339 (`2026-11-23T12:00:00Z`). */
export const AuditQuery = strict({
  app: Type.Optional(text(64)),
  workspace: Type.Optional(text(64)),
  since: Type.Optional(text(64)),
  until: Type.Optional(text(64)),
  cursor: Type.Optional(text(64)),
});
