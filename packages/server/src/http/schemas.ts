/**
 * Request and reply schemas. A reply schema is an allow-list: what it does not declare is not sent, which keeps tokens and
 * sealed columns out of replies even when a handler returns too much.
 *
 * Contract routes take unknown fields and ignore them, as their public clients expect; our own routes refuse them.
 */
import { Type, type TObject, type TProperties } from "typebox";

const text = (maxLength: number) => Type.String({ maxLength });
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

/** Our own bodies: a field that is not declared is an error. */
const strict = <P extends TProperties>(properties: P): TObject<P> =>
  Type.Object(properties, { additionalProperties: false });

export const AppParams = Type.Object({ app: text(64) });
export const ServiceParams = Type.Object({ app: text(64), integration_type: text(128) });

export const TokenQuery = Type.Object({ min_valid_seconds: Type.Optional(text(16)) });

export const TokenReply = Type.Object({
  access_token: Type.String(),
  integration_type: Type.String(),
  connection_config: nullable(Type.Record(Type.String(), Type.String())),
});

const ConfigFieldReply = Type.Object({
  name: Type.String(),
  display_name: Type.String(),
  description: Type.String(),
  placeholder: Type.String(),
  required: Type.Boolean(),
  validation_pattern: nullable(Type.String()),
  validation_error: nullable(Type.String()),
});

export const AvailableReply = Type.Object({
  integrations: Type.Array(
    Type.Object({
      integration_type: Type.String(),
      display_name: Type.String(),
      description: Type.String(),
      connection_config_fields: Type.Array(ConfigFieldReply),
    }),
  ),
});

/** `user_email` must be absent, not null, where it is unknown. */
export const ListReply = Type.Object({
  integrations: Type.Array(
    Type.Object({
      integration_type: Type.String(),
      status: Type.Union([Type.Literal("active"), Type.Literal("disconnected"), Type.Literal("expired")]),
      scopes: Type.Array(Type.String()),
      user_email: Type.Optional(Type.String()),
      missing_scopes: Type.Array(Type.String()),
      reason: nullable(Type.String()),
      account_label: nullable(Type.String()),
    }),
  ),
});

const ConfigInput = Type.Record(Type.String({ maxLength: 64 }), text(1024), { maxProperties: 32 });

export const InitiateBody = Type.Object({
  scopes: Type.Optional(Type.Array(text(256), { maxItems: 200 })),
  connection_config: Type.Optional(nullable(ConfigInput)),
  return_to: Type.Optional(nullable(text(1024))),
});

/** All six are required by the public CLI; four may be null, none may be missing. */
export const InitiateReply = Type.Object({
  redirect_url: nullable(Type.String()),
  connection_id: nullable(Type.String()),
  already_authorized: Type.Boolean(),
  error: nullable(Type.String()),
  error_message: nullable(Type.String()),
  other_user_email: nullable(Type.String()),
});

export const StatusQuery = Type.Object({ integration_type: text(128), connection_id: text(64) });
export const StatusReply = Type.Object({
  status: Type.Union([Type.Literal("ACTIVE"), Type.Literal("PENDING"), Type.Literal("FAILED")]),
  missing_scopes: Type.Array(Type.String()),
});
export const RemovedReply = Type.Object({ status: Type.Literal("removed"), integration_type: Type.String() });
export const DisconnectedReply = Type.Object({ status: Type.Literal("disconnected"), integration_type: Type.String() });

// Management: our own routes.
export const CreateAppBody = strict({ name: text(400) });
export const CreatedAppReply = Type.Object({
  app_id: Type.String(),
  service_token: Type.String(),
  api_key: Type.String(),
});
export const AppsReply = Type.Object({
  apps: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), created_at: Type.Number() })),
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
export const ClientReply = Type.Object({
  id: Type.String(),
  integration_type: Type.String(),
  client_id: Type.String(),
  shared_callback: Type.Boolean(),
  created_at: Type.Number(),
  updated_at: Type.Number(),
});
export const ClientsReply = Type.Object({ clients: Type.Array(ClientReply) });
