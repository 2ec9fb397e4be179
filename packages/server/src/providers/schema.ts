/**
 * The JSON schema of a provider, which an operator's file must match. It is published as
 * docs/provider.schema.json. A test keeps it equal to the type ProviderDefinition, so neither can
 * gain a field alone.
 *
 * The schema covers shape only. check.ts checks the values.
 */
import { Type, type TProperties, type TSchema } from "typebox";
import type { JsonValue } from "../core/types.ts";
import type { UrlTemplate } from "./provider.ts";

const shape = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });
const optional = <T extends TSchema>(schema: T) => Type.Optional(schema);
const text = (description: string, maxLength = 2000) => Type.String({ description, minLength: 1, maxLength });
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const strings = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 2000 }), { description, maxItems: 200 });
const stringMap = (description: string) => Type.Record(Type.String(), Type.String(), { description });
const seconds = (description: string) => nullable(Type.Integer({ description, minimum: 1, maximum: 315_360_000 }));
const name = (description: string) => Type.String({ description, pattern: "^[A-Za-z0-9_]{1,64}$" });

const url = Type.Unsafe<UrlTemplate>(
  Type.String({
    description: "An https URL. {name} is replaced by a setting or derived value of the connection.",
    pattern: "^https://[^/?#\\s]+(?:/|$)[^#\\s]*$",
    maxLength: 2000,
  }),
);
const webPage = Type.String({ description: "The URL of a web page.", pattern: "^https://\\S+$", maxLength: 2000 });
const baseUrl = Type.Unsafe<UrlTemplate | `{${string}}`>(
  Type.String({
    description: "A URL, or {name} for a derived value that is a whole origin.",
    pattern: "^(?:https://[^/?#\\s]+(?:/[^?#\\s]*)?|\\{\\w+\\}[^?#\\s]*)$",
  }),
);
const jsonPath = Type.String({
  description: "A dotted path: data.0.id",
  pattern: "^[^.\\s]+(?:\\.[^.\\s]+)*$",
  maxLength: 200,
});
const pattern = Type.String({ description: "An anchored regular expression: ^…$", maxLength: 500 });
const under = optional(
  strings("For a value that is a host or an origin: the domains it must equal or be a subdomain of."),
);
const json = Type.Unsafe<JsonValue>({ description: "Any JSON value." });

const ApiRequest = shape({
  method: Type.Union([Type.Literal("GET"), Type.Literal("POST"), Type.Literal("DELETE")]),
  url,
  auth: optional(
    Type.Union([Type.Literal("token"), Type.Literal("client_secret_basic"), Type.Literal("none")], {
      description: "Defaults to token: send the access token.",
    }),
  ),
  headers: optional(
    stringMap("Can use {access_token}, {refresh_token}, {client_id} and {client_secret}. So can body, form and query."),
  ),
  body: optional(json),
  form: optional(stringMap("Sent form-encoded instead of a JSON body.")),
  query: optional(stringMap("Query parameters that hold secrets, for vendors that accept them only there.")),
  ok_path: optional(jsonPath),
  ok_value: optional(
    Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()], {
      description: "The value expected at ok_path. Defaults to true. Null accepts any value.",
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
    app_id_param: name("Install URL parameter: the client id."),
    return_param: name("Install URL parameter: the return URL."),
    instance_param: name("Redirect parameter: the installation's id."),
    signed_instance_param: name("Redirect parameter: the installation's id, signed with the client secret."),
    instance_name: name("Name of the installation's id in the token request and in the connection's config."),
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
  shape({ kind: Type.Literal("none"), note: text("How users revoke access instead.") }),
  shape({
    kind: Type.Literal("rfc7009"),
    url,
    token: Type.Union([Type.Literal("refresh_token"), Type.Literal("access_token")]),
    client_auth: Type.Boolean(),
    kills_grant: Type.Boolean({
      description: "Revoking one token revokes all tokens of that user for the OAuth client.",
    }),
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
  shape({ name: Type.Literal("renamed_members"), members: stringMap("The vendor's name: the standard name.") }),
  shape({
    name: Type.Literal("granted_scopes"),
    aliases: optional(stringMap("Scope name in the response: name used in the request.")),
    prefix: optional(Type.String({ description: "Prefix that the vendor adds to scope names.", minLength: 1 })),
    silent: optional(strings("Scopes granted when requested but never listed in the response.")),
  }),
  shape({ name: Type.Literal("bearer_alias"), names: strings("token_type values that mean Bearer, in lowercase.") }),
  shape({ name: Type.Literal("assume_bearer") }),
  shape({ name: Type.Literal("form_token_answer") }),
  shape({
    name: Type.Literal("scope_on_refresh"),
    separator: Type.Union([Type.Literal(" "), Type.Literal(",")]),
  }),
]);

const ConfigField = shape({
  name: name("Its name in URL templates and in connection_config."),
  display_name: text("The label of the field.", 100),
  description: Type.String({ maxLength: 2000 }),
  placeholder: Type.String({ maxLength: 200 }),
  required: Type.Boolean(),
  default: nullable(Type.String({ minLength: 1, maxLength: 1024 })),
  pattern,
  validation_error: text("The message shown if the value does not match.", 500),
  authorization_param: optional(name("Name of the parameter that sends this value in the authorization request.")),
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
  name: name("The name by which callers refer to the host."),
  base_url: baseUrl,
  request_headers: optional(
    strings("Headers that callers can set, in addition to Accept and Content-Type. Lowercase."),
  ),
  binary_media_types: optional(strings("Media types of binary responses. image/* matches any subtype.")),
});

export const ProviderSchema = Type.Object(
  {
    id: Type.String({
      description: "The integration_type by which apps refer to the service.",
      pattern: "^[a-z0-9_-]{1,64}$",
    }),
    display_name: text("The name shown to users.", 100),
    description: text("One sentence: what the service gives access to.", 300),
    vendor: Type.String({
      description: "Last path segment of the redirect URI. Services can share it only if they share both endpoints.",
      pattern: "^[a-z0-9]{1,64}$",
    }),
    flow: optional(Flow),
    docs_url: webPage,
    registration: shape({ url: webPage, notes: strings("What to set when registering an OAuth client.") }),
    traps: optional(strings("What to watch out for after registration.")),
    https_redirect_only: optional(Type.Boolean()),
    authorization_url: url,
    token_url: url,
    client_auth: Type.Union([Type.Literal("client_secret_basic"), Type.Literal("client_secret_post")]),
    client_id_param: optional(name("Name of the client id in requests. Defaults to client_id.")),
    token_body: optional(Type.Union([Type.Literal("form"), Type.Literal("json")])),
    token_headers: optional(stringMap("Additional headers of token requests.")),
    scope_param: optional(
      nullable(name("Name of the scope parameter. Defaults to scope. Null if the service has no scopes.")),
    ),
    scope_separator: optional(Type.Union([Type.Literal(" "), Type.Literal(",")])),
    default_scopes: strings("Requested when an app declares no scopes."),
    required_scopes: optional(strings("Always requested, for the refresh token and the account.")),
    common_scopes: Type.Array(shape({ scope: text("The scope.", 256), meaning: text("What it allows.", 300) }), {
      maxItems: 200,
    }),
    authorization_params: optional(stringMap("Additional parameters of the authorization request.")),
    pkce: optional(Type.Union([Type.Literal("S256"), Type.Literal("none")])),
    issuer: optional(nullable(shape({ value: Type.String({ pattern: "^https://" }), required: Type.Boolean() }))),
    lifetime: shape({
      access_s: seconds("Lifetime of an access token if the response does not say. Null if unknown."),
      refresh: Refresh,
      refresh_idle_s: seconds("A refresh token expires this long after issue or last use."),
      refresh_absolute_s: seconds("A refresh token expires this long after the consent."),
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
      refused: strings("The grant is no longer valid. The user must consent again."),
      misconfigured: strings("The OAuth client is misconfigured."),
      transient: strings("A temporary failure. Retry later."),
    }),
    deviations: optional(Type.Array(Deviation, { description: "Departures from the RFCs, by name.", maxItems: 16 })),
    sources: strings("URLs that this definition is based on."),
    unverified: strings("Fields based on memory or on a single source, each with the test that would settle it."),
  },
  {
    title: "Holdfast provider",
    description: "Your own service, as one JSON file in the directory of custom providers.",
    additionalProperties: false,
  },
);
