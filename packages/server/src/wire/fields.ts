/**
 * Request and reply schemas. A reply schema is an allow-list: what it does not declare is not sent, which keeps tokens and
 * sealed columns out of replies even when a handler returns too much.
 *
 * Contract routes take unknown fields and ignore them, as their public clients expect; our own routes refuse them. Schemas of
 * connectors and of the platform's other addresses are in schemas/.
 */
import { Type, type TObject, type TProperties } from "typebox";

export const text = (maxLength: number) => Type.String({ maxLength });
export const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

/** Our own bodies: a field that is not declared is an error. */
export const strict = <P extends TProperties>(properties: P): TObject<P> =>
  Type.Object(properties, { additionalProperties: false });

export const AppParams = Type.Object({ app: text(64) });
export const ServiceParams = Type.Object({ app: text(64), integration_type: text(128) });

export const TokenQuery = Type.Object({ min_valid_seconds: Type.Optional(text(16)) });

export const TokenReply = Type.Object({
  access_token: Type.String(),
  integration_type: Type.String(),
  connection_config: nullable(Type.Record(Type.String(), Type.String())),
});

// Signing in from a command line: RFC 8628 §3.2, RFC 6749 §5.1.
export const DeviceCodeReply = Type.Object({
  device_code: Type.String(),
  user_code: Type.String(),
  verification_uri: Type.String(),
  verification_uri_complete: Type.String(),
  expires_in: Type.Integer(),
  interval: Type.Integer(),
});
export const OAuthTokenReply = Type.Object({
  access_token: Type.String(),
  refresh_token: Type.String(),
  token_type: Type.Literal("Bearer"),
  expires_in: Type.Integer(),
  scope: Type.String(),
});
export const UserInfoReply = Type.Object({ sub: Type.String(), email: Type.String(), name: Type.String() });

/** Instants as ms since the epoch, or as RFC 3339 (`2026-11-23T12:00:00Z`). */
export const AuditQuery = strict({
  app: Type.Optional(text(64)),
  workspace: Type.Optional(text(64)),
  since: Type.Optional(text(64)),
  until: Type.Optional(text(64)),
  cursor: Type.Optional(text(64)),
});

// Management: our own routes.
export const CreateAppBody = strict({ name: text(400), workspace_id: Type.Optional(text(64)) });
export const CreatedAppReply = Type.Object({
  app_id: Type.String(),
  service_token: Type.String(),
  api_key: Type.Union([Type.String(), Type.Null()]),
});
export const AppsReply = Type.Object({
  apps: Type.Array(
    Type.Object({
      id: Type.String(),
      workspace_id: Type.String(),
      name: Type.String(),
      functions_enabled: Type.Boolean(),
      created_at: Type.Number(),
    }),
  ),
});
export const DoneReply = Type.Object({ status: Type.Literal("done") });

export const CreateTokenBody = strict({
  name: text(400),
  expires_in_s: Type.Optional(Type.Integer({ minimum: 60, maximum: 315_360_000 })),
});
export const CreatedTokenReply = Type.Object({ id: Type.String(), service_token: Type.String() });
export const TokensReply = Type.Object({
  tokens: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      created_at: Type.Number(),
      expires_at: nullable(Type.Number()),
      revoked_at: nullable(Type.Number()),
      last_used_at: nullable(Type.Number()),
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
export const WorkspaceClientParams = Type.Object({ workspace: text(64), integration_type: text(128) });
export const ClientReply = Type.Object({
  id: Type.String(),
  workspace_id: nullable(Type.String()),
  integration_type: Type.String(),
  client_id: Type.String(),
  shared_callback: Type.Boolean(),
  /** To be registered with the provider. */
  redirect_uri: Type.String(),
  created_at: Type.Number(),
  updated_at: Type.Number(),
});
export const ClientsReply = Type.Object({ clients: Type.Array(ClientReply) });

/** Whether the installation's clients serve a workspace, and why. */
const SharingReply = Type.Object({ serves: Type.Boolean(), allowed: Type.Boolean(), same_owners: Type.Boolean() });
export const WorkspaceClientsReply = Type.Object({
  clients: Type.Array(ClientReply),
  installation_clients: SharingReply,
});
export const ShareClientsBody = strict({ allowed: Type.Boolean() });
export const ShareClientsReply = Type.Object({ installation_clients: SharingReply, risk: Type.String() });
