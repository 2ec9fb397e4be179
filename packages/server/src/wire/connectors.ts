/** Connectors of an app, as in the contract. The server ignores unknown fields of a body. */
import { Type } from "typebox";
import { nullable, strict, text } from "./fields.ts";

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

export const ConnectionConfigReply = Type.Object({
  integration_type: Type.String(),
  connection_config_fields: Type.Array(ConfigFieldReply),
  connection_config: Type.Record(Type.String(), Type.String()),
});

/** An unknown `user_email` must be absent, not null. */
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
const ScopesInput = Type.Array(text(256), { maxItems: 200 });

export const InitiateBody = Type.Object({
  scopes: Type.Optional(ScopesInput),
  connection_config: Type.Optional(nullable(ConfigInput)),
  return_to: Type.Optional(nullable(text(1024))),
});

export const AddScopesBody = Type.Object({
  integration_type: text(128),
  scopes: Type.Optional(nullable(ScopesInput)),
  force_reconnect: Type.Optional(nullable(Type.Boolean())),
  connection_config: Type.Optional(nullable(ConfigInput)),
  return_to: Type.Optional(nullable(text(1024))),
});

/** The public CLI requires each field to be present, even if it is null. */
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

export const SwitchesReply = Type.Object({
  integration_type: Type.String(),
  builder_connection_enabled: Type.Boolean(),
  per_user_connection_enabled: Type.Boolean(),
});
export const GovernanceReply = Type.Object({ integrations: Type.Array(SwitchesReply) });
export const SwitchesBody = strict({
  builder_connection_enabled: Type.Optional(Type.Boolean()),
  per_user_connection_enabled: Type.Optional(Type.Boolean()),
});
export const TokenQuery = Type.Object({ min_valid_seconds: Type.Optional(text(16)) });

export const TokenReply = Type.Object({
  access_token: Type.String(),
  integration_type: Type.String(),
  connection_config: nullable(Type.Record(Type.String(), Type.String())),
});
