/**
 * What a provider is: data about one service's OAuth, from the authorization endpoint to revocation.
 *
 * Everything here can be written as JSON (deviations by their name), so that an operator's own service is a file of the
 * same shape. No I/O, no secrets, no branches: where a vendor departs from an RFC it names a Deviation, a pure function
 * in deviations.ts that any provider may use. Nothing outside `catalog/` may compare a provider's id.
 */
import type { ConnectionConfig, JsonValue } from "../core/types.ts";
import type { Deviation, DeviationRef } from "./deviation.ts";
import { deviationOf } from "./deviations.ts";
import type { JsonPath } from "./json-path.ts";

/** An https URL with `{name}` places that are filled from the connection's config. */
export type UrlTemplate = `https://${string}`;

/** A value asked of the builder before consent. `pattern` is anchored and decides alone what is accepted. */
export interface ConfigField {
  readonly name: string;
  readonly display_name: string;
  readonly description: string;
  readonly placeholder: string;
  readonly required: boolean;
  readonly default: string | null;
  readonly pattern: string;
  readonly validation_error: string;
  /** Sent under this name in the authorization request, when set. */
  readonly authorization_param?: string;
  /** Where the value is a whole host or origin: the domains that it must be or lie under, whatever its pattern takes. */
  readonly under?: readonly string[];
}

/**
 * A named, non-secret value taken from an answer into the connection's config. A value off its pattern is dropped.
 * `callback`: from the parameters of the redirect, which `state` binds to this consent, but nobody has signed.
 */
export interface DerivedValue {
  readonly name: string;
  readonly from: "token" | "identity" | "id_token" | "callback";
  readonly path: JsonPath;
  readonly pattern: string;
  readonly under?: readonly string[];
}

/**
 * How a person's consent becomes a grant. `authorization_code`: RFC 6749 §4.1. `app_install`: the person installs an app;
 * the redirect brings the id of that installation, signed with the client's secret, and each access token is minted
 * with the client's credentials for that id, which takes the refresh token's place.
 */
export type Flow = AuthorizationCode | AppInstall;

/**
 * `long_lived`: the code brings a token for an hour, which `exchange` turns into one for weeks; that token is its own
 * refresh token, and `renewal` makes it new. Both answer as a token endpoint does.
 */
export interface AuthorizationCode {
  readonly kind: "authorization_code";
  readonly long_lived?: { readonly exchange: ApiRequest; readonly renewal: ApiRequest };
}

export interface AppInstall {
  readonly kind: "app_install";
  /** Parameters of the install URL: the client id, and the address to return to, which carries `state` in its query. */
  readonly app_id_param: string;
  readonly return_param: string;
  /** Parameters of the redirect: the installation, and the same with a signature. */
  readonly instance_param: string;
  readonly signed_instance_param: string;
  /** The installation's name in the token request and in the connection's config. */
  readonly instance_name: string;
  readonly instance_pattern: string;
}

/**
 * Lifetimes in seconds. `access_s` is what to assume when an answer has no `expires_in`; null = unknown, use until
 * refused. `refresh` is the rotation class of the refresh protocol:
 * - `none`: no refresh tokens at all.
 * - `stays`: the refresh token is good for many refreshes; sending one twice does no harm.
 * - `remint`: no refresh token; a durable credential mints each access token, as often as it likes.
 * - `rotates`, `grace`: each refresh replaces it, and the old one works on for `grace_s`.
 * - `rotates`, `strict`: single use; using one twice may revoke the whole grant (RFC 9700 §4.14.2).
 *
 * Where the answer does not say when the refresh token ends: `refresh_idle_s` after its issue or its last use, or
 * `refresh_absolute_s` after the consent, however often it is used. Not both; both null = no known end.
 */
export interface Lifetime {
  readonly access_s: number | null;
  readonly refresh:
    | { readonly kind: "none" }
    | { readonly kind: "stays" }
    | { readonly kind: "remint" }
    | { readonly kind: "rotates"; readonly reuse: "grace"; readonly grace_s: number }
    | { readonly kind: "rotates"; readonly reuse: "strict" };
  readonly refresh_idle_s: number | null;
  readonly refresh_absolute_s: number | null;
}

/**
 * A call of the vendor's API, and how its answer says yes. Places in `headers`, `body` and `form`: `{access_token}`,
 * `{refresh_token}`, `{client_id}`, `{client_secret}`; in the URL `{client_id}` and the config's names.
 */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: UrlTemplate;
  /** `token`, where nothing is set: the access token, in the form of `api_auth`. `none`: the request carries its own proof. */
  readonly auth?: "token" | "client_secret_basic" | "none";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: JsonValue;
  /** Sent as a form. */
  readonly form?: Readonly<Record<string, string>>;
  /** Parameters of the query that hold secrets. For the vendors that take them nowhere else. */
  readonly query?: Readonly<Record<string, string>>;
  /** For vendors that answer 200 to everything: what must be in the body. Unset = true, null = anything at all. */
  readonly ok_path?: JsonPath;
  readonly ok_value?: string | number | boolean | null;
}

export interface AccountPaths {
  readonly id: JsonPath;
  readonly label: JsonPath | null;
  readonly email: JsonPath | null;
}

export type Identity =
  | { readonly from: "token"; readonly account: AccountPaths }
  | { readonly from: "request"; readonly request: ApiRequest; readonly account: AccountPaths }
  | {
      /** OpenID Connect Core §3.1.3.7: claims of the token answer, checked. Without one, or a good one: the request. */
      readonly from: "id_token";
      /** Anchored pattern for `iss`. */
      readonly issuer: string;
      readonly account: AccountPaths;
      readonly otherwise: { readonly request: ApiRequest; readonly account: AccountPaths } | null;
    };

/** `kills_grant`: revoking one token ends every token of that person for the same OAuth client. */
export type Revocation =
  | { readonly kind: "none"; readonly note: string }
  | {
      /** RFC 7009. `token` says which one to send; a vendor may end both with either. */
      readonly kind: "rfc7009";
      readonly url: UrlTemplate;
      readonly token: "refresh_token" | "access_token";
      readonly client_auth: boolean;
      readonly kills_grant: boolean;
    }
  | { readonly kind: "request"; readonly request: ApiRequest; readonly kills_grant: boolean };

/** Where calls of the API go. What a caller may send and get beyond JSON is listed, for a proxy that lets nothing else by. */
export interface ApiHost {
  readonly name: string;
  readonly base_url: UrlTemplate | `{${string}}`;
  /** Request headers that callers may set, beyond Accept and Content-Type. Lower case. */
  readonly request_headers?: readonly string[];
  /** Media types of answers that are not text. A trailing `/*` takes the whole family. */
  readonly binary_media_types?: readonly string[];
}

/** The vendor's names for errors, beyond those of RFC 6749 §5.2. What is in none of the lists counts as transient. */
export interface ErrorNames {
  /** The grant is dead; a person must consent again. */
  readonly refused: readonly string[];
  /** The OAuth client is wrong; whoever registered it must act. */
  readonly misconfigured: readonly string[];
  /** It passes. */
  readonly transient: readonly string[];
}

export interface Provider {
  /** `integration_type` on the wire. */
  readonly id: string;
  readonly display_name: string;
  readonly description: string;
  /** Path segment of the redirect URI, one per vendor: `/api/external-auth/callback/<vendor>`. */
  readonly vendor: string;
  readonly flow: Flow;
  readonly docs_url: string;
  /** Where an OAuth client is registered, and what to set there. */
  readonly registration: { readonly url: string; readonly notes: readonly string[] };
  /** What people run into later. */
  readonly traps: readonly string[];
  /** Plain http redirect URIs are refused, on localhost too. */
  readonly https_redirect_only: boolean;
  readonly authorization_url: UrlTemplate;
  readonly token_url: UrlTemplate;
  readonly client_auth: "client_secret_basic" | "client_secret_post";
  /** The client id's name in authorization and token requests. */
  readonly client_id_param: string;
  readonly token_body: "form" | "json";
  readonly token_headers: Readonly<Record<string, string>>;
  /** Name of the scope parameter in the authorization request; null = the service has no scopes. */
  readonly scope_param: string | null;
  readonly scope_separator: " " | ",";
  readonly default_scopes: readonly string[];
  /** Always added: without them there would be no refresh token or no identity. */
  readonly required_scopes: readonly string[];
  readonly common_scopes: readonly { readonly scope: string; readonly meaning: string }[];
  readonly authorization_params: Readonly<Record<string, string>>;
  readonly pkce: "S256" | "none";
  /** RFC 9207. `required`: the server says that it always sends `iss`; otherwise it is compared where it comes. */
  readonly issuer: { readonly value: string; readonly required: boolean } | null;
  readonly lifetime: Lifetime;
  readonly config_fields: readonly ConfigField[];
  readonly derived_config: readonly DerivedValue[];
  /** How the API wants the access token; `scheme` null = the token alone. */
  readonly api_auth: { readonly header: string; readonly scheme: string | null };
  readonly identity: Identity;
  readonly health: ApiRequest;
  readonly revocation: Revocation;
  readonly hosts: readonly ApiHost[];
  readonly errors: ErrorNames;
  readonly deviations: readonly Deviation[];
  readonly sources: readonly string[];
  /** Fields that rest on memory or one source, and what would settle each. */
  readonly unverified: readonly string[];
}

/** What most services share; a catalog file states only what differs. */
const DEFAULTS = {
  flow: { kind: "authorization_code" },
  traps: [],
  https_redirect_only: false,
  client_id_param: "client_id",
  token_body: "form",
  token_headers: {},
  scope_param: "scope",
  scope_separator: " ",
  required_scopes: [],
  authorization_params: {},
  pkce: "S256",
  issuer: null,
  config_fields: [],
  derived_config: [],
  api_auth: { header: "authorization", scheme: "Bearer" },
} as const satisfies Partial<Provider>;

/** A provider as it is written down, here or in an operator's JSON file. */
export type ProviderDefinition = Omit<Provider, keyof typeof DEFAULTS | "deviations"> &
  Partial<Pick<Provider, keyof typeof DEFAULTS>> & { readonly deviations?: readonly DeviationRef[] };

export function defineProvider(definition: ProviderDefinition): Provider {
  const deviations = (definition.deviations ?? []).map(deviationOf);
  return Object.freeze({ ...DEFAULTS, ...definition, deviations });
}

/** How a maybe-consumed refresh may be repeated: the three classes of the refresh protocol. */
export type RotationClass = "none" | "grace" | "strict";

export function rotationClass(provider: Provider): RotationClass {
  const { refresh } = provider.lifetime;
  return refresh.kind === "rotates" ? refresh.reuse : "none";
}

/** The configuration a consent starts with: what was given, else the field's default. */
export function withDefaults(provider: Provider, config: ConnectionConfig): ConnectionConfig {
  const defaults = provider.config_fields.flatMap((field) =>
    field.default === null ? [] : [[field.name, field.default]],
  );
  return { ...Object.fromEntries(defaults), ...config };
}

/** Whether the vendor takes this redirect URI at all. What it is registered as, only the vendor knows. */
export function takesRedirect({ https_redirect_only }: Provider, redirect_uri: string): boolean {
  return !https_redirect_only || redirect_uri.startsWith("https://");
}
