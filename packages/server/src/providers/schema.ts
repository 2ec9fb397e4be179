/**
 * The shape of a provider as JSON: what an operator's file must look like. Published as docs/provider.schema.json, and held
 * equal to the type ProviderDefinition by a test, so that neither can gain a field alone.
 *
 * Shape only. What a field may say is check.ts.
 */
import { Type, type TProperties, type TSchema } from "typebox";
import type { JsonValue } from "../core/types.ts";
import type { UrlTemplate } from "./provider.ts";

const shape = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });
const optional = <T extends TSchema>(schema: T) => Type.Optional(schema);
const text = (description: string, maxLength = 2000) => Type.String({ description, minLength: 1, maxLength });
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const texts = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 2000 }), { description, maxItems: 200 });
const pairs = (description: string) => Type.Record(Type.String(), Type.String(), { description });
const seconds = (description: string) => nullable(Type.Integer({ description, minimum: 1, maximum: 315_360_000 }));
const name = (description: string) => Type.String({ description, pattern: "^[A-Za-z0-9_]{1,64}$" });

const url = Type.Unsafe<UrlTemplate>(
  Type.String({
    description: "An https URL. {name} is filled with a setting of the connection.",
    pattern: "^https://[^/?#\\s]+(?:/|$)[^#\\s]*$",
    maxLength: 2000,
  }),
);
const webPage = Type.String({ description: "A page for people.", pattern: "^https://\\S+$", maxLength: 2000 });
const baseUrl = Type.Unsafe<UrlTemplate | `{${string}}`>(
  Type.String({
    description: "As a URL; or {name} for a derived value that is a whole origin.",
    pattern: "^(?:https://[^/?#\\s]+(?:/[^?#\\s]*)?|\\{\\w+\\}[^?#\\s]*)$",
  }),
);
const jsonPath = Type.String({
  description: "Dotted path: data.0.id",
  pattern: "^[^.\\s]+(?:\\.[^.\\s]+)*$",
  maxLength: 200,
});
const pattern = Type.String({ description: "Anchored regular expression: ^…$", maxLength: 500 });
const under = optional(texts("Where the value is a host or an origin: the domains that it must be or lie under."));
const json = Type.Unsafe<JsonValue>({ description: "Any JSON." });

const ApiRequest = shape({
  method: Type.Union([Type.Literal("GET"), Type.Literal("POST"), Type.Literal("DELETE")]),
  url,
  auth: optional(
    Type.Union([Type.Literal("token"), Type.Literal("client_secret_basic"), Type.Literal("none")], {
      description: "token, when absent: the access token.",
    }),
  ),
  headers: optional(
    pairs("May hold {access_token}, {refresh_token}, {client_id}, {client_secret}, as do body and form."),
  ),
  body: optional(json),
  form: optional(pairs("Sent as a form, in place of a JSON body.")),
  query: optional(pairs("Parameters that hold secrets, for vendors that take them nowhere else.")),
  ok_path: optional(jsonPath),
  ok_value: optional(
    Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()], {
      description: "What must be at ok_path: true, when absent; anything at all, when null.",
    }),
  ),
});

const AccountPaths = shape({ id: jsonPath, label: nullable(jsonPath), email: nullable(jsonPath) });

const Flow = Type.Union([
  shape({
    kind: Type.Literal("authorization_code"),
    long_lived: optional(shape({ exchange: ApiRequest, renewal: ApiRequest })),
  }),
  shape({
    kind: Type.Literal("app_install"),
    app_id_param: name("Install URL: the client id."),
    return_param: name("Install URL: the address to return to."),
    instance_param: name("Redirect: the installation."),
    signed_instance_param: name("Redirect: the installation, signed with the client's secret."),
    instance_name: name("The installation's name in the token request and in the connection's config."),
    instance_pattern: pattern,
  }),
]);

const Refresh = Type.Union([
  shape({ kind: Type.Literal("none") }),
  shape({ kind: Type.Literal("stays") }),
  shape({ kind: Type.Literal("remint") }),
  shape({ kind: Type.Literal("rotates"), reuse: Type.Literal("grace"), grace_s: Type.Integer({ minimum: 1 }) }),
  shape({ kind: Type.Literal("rotates"), reuse: Type.Literal("strict") }),
]);

const Identity = Type.Union([
  shape({ from: Type.Literal("token"), account: AccountPaths }),
  shape({ from: Type.Literal("request"), request: ApiRequest, account: AccountPaths }),
  shape({
    from: Type.Literal("id_token"),
    issuer: pattern,
    account: AccountPaths,
    otherwise: nullable(shape({ request: ApiRequest, account: AccountPaths })),
  }),
]);

const Revocation = Type.Union([
  shape({ kind: Type.Literal("none"), note: text("Where people end access instead.") }),
  shape({
    kind: Type.Literal("rfc7009"),
    url,
    token: Type.Union([Type.Literal("refresh_token"), Type.Literal("access_token")]),
    client_auth: Type.Boolean(),
    kills_grant: Type.Boolean({ description: "Revoking one token ends all of that person for the OAuth client." }),
  }),
  shape({ kind: Type.Literal("request"), request: ApiRequest, kills_grant: Type.Boolean() }),
]);

const Deviation = Type.Union([
  shape({
    name: Type.Literal("error_in_ok_response"),
    statuses: optional(Type.Record(Type.String(), Type.Integer({ minimum: 400, maximum: 599 }))),
  }),
  shape({ name: Type.Literal("error_name"), path: jsonPath }),
  shape({ name: Type.Literal("nested_token"), key: Type.String({ minLength: 1 }) }),
  shape({ name: Type.Literal("renamed_members"), members: pairs("Their name: the usual name.") }),
  shape({
    name: Type.Literal("granted_scopes"),
    aliases: optional(pairs("The vendor's name: the name that it is asked for by.")),
    prefix: optional(Type.String({ description: "What the vendor puts before names.", minLength: 1 })),
    silent: optional(texts("Granted where asked for, but never named.")),
  }),
  shape({ name: Type.Literal("bearer_alias"), names: texts("token_type values that mean Bearer, in lower case.") }),
  shape({ name: Type.Literal("assume_bearer") }),
  shape({ name: Type.Literal("form_token_answer") }),
  shape({
    name: Type.Literal("scope_on_refresh"),
    separator: Type.Union([Type.Literal(" "), Type.Literal(",")]),
  }),
]);

const ConfigField = shape({
  name: name("Its name in URL templates and in connection_config."),
  display_name: text("Shown beside the field.", 100),
  description: Type.String({ maxLength: 2000 }),
  placeholder: Type.String({ maxLength: 200 }),
  required: Type.Boolean(),
  default: nullable(Type.String({ minLength: 1, maxLength: 1024 })),
  pattern,
  validation_error: text("Shown when the value does not match.", 500),
  authorization_param: optional(name("Sent under this name in the authorization request.")),
  under,
});

const DerivedValue = shape({
  name: name("Its name in URL templates and in connection_config."),
  from: Type.Union([
    Type.Literal("token"),
    Type.Literal("identity"),
    Type.Literal("id_token"),
    Type.Literal("callback"),
  ]),
  path: jsonPath,
  pattern,
  under,
});

const ApiHost = shape({
  name: name("How a caller names the host."),
  base_url: baseUrl,
  request_headers: optional(texts("Headers that callers may set, beyond Accept and Content-Type. Lower case.")),
  binary_media_types: optional(texts("Media types of answers that are not text; image/* takes a family.")),
});

export const ProviderSchema = Type.Object(
  {
    id: Type.String({ description: "integration_type: how apps name the service.", pattern: "^[a-z0-9_-]{1,64}$" }),
    display_name: text("Shown to people.", 100),
    description: text("One sentence: what can be reached.", 300),
    vendor: Type.String({
      description: "Last part of the redirect URI. Services share one only if they share both endpoints.",
      pattern: "^[a-z0-9]{1,64}$",
    }),
    flow: optional(Flow),
    docs_url: webPage,
    registration: shape({ url: webPage, notes: texts("What to set when registering an OAuth client.") }),
    traps: optional(texts("What people run into later.")),
    https_redirect_only: optional(Type.Boolean()),
    authorization_url: url,
    token_url: url,
    client_auth: Type.Union([Type.Literal("client_secret_basic"), Type.Literal("client_secret_post")]),
    client_id_param: optional(name("The client id's name in requests; client_id, when absent.")),
    token_body: optional(Type.Union([Type.Literal("form"), Type.Literal("json")])),
    token_headers: optional(pairs("Further headers of token requests.")),
    scope_param: optional(nullable(name("The scopes' name; scope, when absent; null = no scopes."))),
    scope_separator: optional(Type.Union([Type.Literal(" "), Type.Literal(",")])),
    default_scopes: texts("Asked for when an app declares none."),
    required_scopes: optional(texts("Always asked for: for the refresh token and the account.")),
    common_scopes: Type.Array(shape({ scope: text("The scope.", 256), meaning: text("What it allows.", 300) }), {
      maxItems: 200,
    }),
    authorization_params: optional(pairs("Further parameters of the authorization request.")),
    pkce: optional(Type.Union([Type.Literal("S256"), Type.Literal("none")])),
    issuer: optional(nullable(shape({ value: Type.String({ pattern: "^https://" }), required: Type.Boolean() }))),
    lifetime: shape({
      access_s: seconds("Life of an access token when the answer does not say; null = unknown."),
      refresh: Refresh,
      refresh_idle_s: seconds("A refresh token ends this long after its issue or last use."),
      refresh_absolute_s: seconds("A refresh token ends this long after the consent."),
    }),
    config_fields: optional(Type.Array(ConfigField, { maxItems: 32 })),
    derived_config: optional(Type.Array(DerivedValue, { maxItems: 32 })),
    api_auth: optional(
      shape({
        header: Type.String({ pattern: "^[a-z0-9-]{1,64}$" }),
        scheme: nullable(Type.String({ pattern: "^[A-Za-z0-9-]{1,32}$" })),
      }),
    ),
    identity: Identity,
    health: ApiRequest,
    revocation: Revocation,
    hosts: Type.Array(ApiHost, { maxItems: 32 }),
    errors: shape({
      refused: texts("The grant is dead: consent again."),
      misconfigured: texts("The OAuth client is wrong."),
      transient: texts("It passes."),
    }),
    deviations: optional(Type.Array(Deviation, { description: "Departures from the RFCs, by name.", maxItems: 16 })),
    sources: texts("Where this was read."),
    unverified: texts("Fields that rest on memory or one source, and what would settle each."),
  },
  {
    title: "Holdfast provider",
    description: "A service of your own, as one JSON file in the directory of custom providers.",
    additionalProperties: false,
  },
);
