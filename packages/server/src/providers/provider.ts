/**
 * The Provider type: data about one service's OAuth, from the authorization endpoint to revocation.
 *
 * A provider can be written entirely as JSON, with deviations by name, so an operator's own service
 * is a file of the same shape. It has no I/O, no secrets and no branches. Where a vendor departs
 * from an RFC, the provider lists a Deviation, a pure function in deviations.ts that any provider
 * can use. Nothing outside `catalog/` compares a provider's id.
 */
import type { ConnectionConfig, JsonValue } from "../core/types.ts";
import type { Deviation, DeviationRef } from "./deviation.ts";
import { deviationOf } from "./deviations.ts";
import type { JsonPath } from "./json-path.ts";

/** An https URL with `{name}` variables, which are filled in from the connection's config. */
export type UrlTemplate = `https://${string}`;

/** A setting that the builder enters before consent. `pattern` is anchored. */
export interface ConfigField {
  readonly name: string;
  readonly display_name: string;
  readonly description: string;
  readonly placeholder: string;
  readonly required: boolean;
  readonly default: string | null;
  readonly pattern: string;
  readonly validation_error: string;
  /** If set, the authorization request sends the value under this name. */
  readonly authorization_param?: string;
  /** For a value that is a whole host or origin: the domains it must equal or be a subdomain of. */
  readonly under?: readonly string[];
}

/**
 * A non-secret value copied from a response into the connection's config. A value that does not
 * match its pattern is dropped. `callback` values come from the redirect's query parameters.
 * `state` binds these to the consent, but they are not signed.
 */
export interface DerivedValue {
  readonly name: string;
  readonly from: "token" | "identity" | "id_token" | "callback";
  readonly path: JsonPath;
  readonly pattern: string;
  readonly under?: readonly string[];
}

/**
 * How a user's consent becomes a grant.
 * - `authorization_code`: RFC 6749 §4.1.
 * - `app_install`: the user installs an app. The redirect carries the installation's id, signed
 *   with the client secret. Each access token is requested with the client credentials and that id,
 *   which takes the place of a refresh token.
 */
export type Flow = AuthorizationCode | AppInstall;

/**
 * `long_lived`: the code yields a short-lived token, which `exchange` trades for a long-lived one.
 * That token is its own refresh token: `renewal` trades it for a new one. Both requests return a
 * token response.
 */
export interface AuthorizationCode {
  readonly kind: "authorization_code";
  readonly long_lived?: { readonly exchange: ApiRequest; readonly renewal: ApiRequest };
}

export interface AppInstall {
  readonly kind: "app_install";
  /** Parameters of the install URL: the client id, and the return URL with `state` in its query. */
  readonly app_id_param: string;
  readonly return_param: string;
  /** Parameters of the redirect: the installation's id, plain and signed. */
  readonly instance_param: string;
  readonly signed_instance_param: string;
  /** Name of the installation's id in the token request and in the connection's config. */
  readonly instance_name: string;
  readonly instance_pattern: string;
}

/**
 * Token lifetimes in seconds. `access_s` applies if the token response has no `expires_in`. Null
 * means unknown: the token is used until the API rejects it.
 *
 * `refresh` says how refresh tokens behave:
 * - `none`: there are no refresh tokens.
 * - `stays`: a refresh token is valid for many refreshes. Sending one twice does no harm.
 * - `remint`: no refresh token. A durable credential issues any number of access tokens.
 * - `rotates`, `grace`: each refresh replaces the token. The old one stays valid for `grace_s`.
 * - `rotates`, `strict`: single use. Reuse can revoke the whole grant (RFC 9700 §4.14.2).
 *
 * `refresh_idle_s` and `refresh_absolute_s` apply if the response does not say when the refresh
 * token expires. It expires that long after issue or last use, or that long after the consent, used
 * or not. At most one of them is set. If both are null, the expiry is unknown.
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
 * A request to the vendor's API, and how its response signals success. `headers`, `body`, `form`
 * and `query` can use `{access_token}`, `{refresh_token}`, `{client_id}` and `{client_secret}`. The
 * URL can use `{client_id}` and the names of config values.
 */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: UrlTemplate;
  /**
   * `token` (the default): send the access token as `api_auth` says. `none`: the request carries
   * its own credentials.
   */
  readonly auth?: "token" | "client_secret_basic" | "none";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: JsonValue;
  /** Sent form-encoded. */
  readonly form?: Readonly<Record<string, string>>;
  /** Query parameters that hold secrets, for vendors that accept them only there. */
  readonly query?: Readonly<Record<string, string>>;
  /** For vendors that return 200 for everything: where the body signals success. */
  readonly ok_path?: JsonPath;
  /** The value expected at `ok_path`. Defaults to true. Null accepts any value. */
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
      /**
       * Claims of the ID token in the token response, validated (OpenID Connect Core §3.1.3.7). If
       * it is missing or invalid, the account is read with `otherwise`.
       */
      readonly from: "id_token";
      /** Anchored pattern for `iss`. */
      readonly issuer: string;
      readonly account: AccountPaths;
      readonly otherwise: { readonly request: ApiRequest; readonly account: AccountPaths } | null;
    };

/** `kills_grant`: revoking one token revokes every token of that user for the same OAuth client. */
export type Revocation =
  | { readonly kind: "none"; readonly note: string }
  | {
      /** RFC 7009. `token` names the token to send. At some vendors either token revokes both. */
      readonly kind: "rfc7009";
      readonly url: UrlTemplate;
      readonly token: "refresh_token" | "access_token";
      readonly client_auth: boolean;
      readonly kills_grant: boolean;
    }
  | { readonly kind: "request"; readonly request: ApiRequest; readonly kills_grant: boolean };

/** A host of the vendor's API, with the headers and media types that a proxy allows beyond JSON. */
export interface ApiHost {
  readonly name: string;
  readonly base_url: UrlTemplate | `{${string}}`;
  /** Request headers that callers can set, in addition to Accept and Content-Type. Lowercase. */
  readonly request_headers?: readonly string[];
  /** Media types of binary responses. A trailing `/*` matches any subtype. */
  readonly binary_media_types?: readonly string[];
}

/**
 * The vendor's error names, in addition to those of RFC 6749 §5.2. A name in none of the lists
 * counts as transient.
 */
export interface ErrorNames {
  /** The grant is no longer valid. The user must consent again. */
  readonly refused: readonly string[];
  /** The OAuth client is misconfigured. Its owner must fix it. */
  readonly misconfigured: readonly string[];
  /** A temporary failure. Retry later. */
  readonly transient: readonly string[];
}

export interface Provider {
  /** `integration_type` on the wire. */
  readonly id: string;
  readonly display_name: string;
  readonly description: string;
  /** Last path segment of the redirect URI: `/api/external-auth/callback/<vendor>`. */
  readonly vendor: string;
  readonly flow: Flow;
  readonly docs_url: string;
  /** Where to register an OAuth client, and what to set there. */
  readonly registration: { readonly url: string; readonly notes: readonly string[] };
  /** What to watch out for after registration. */
  readonly traps: readonly string[];
  /** The vendor rejects plain http redirect URIs, even for localhost. */
  readonly https_redirect_only: boolean;
  readonly authorization_url: UrlTemplate;
  readonly token_url: UrlTemplate;
  readonly client_auth: "client_secret_basic" | "client_secret_post";
  /** Name of the client id in authorization and token requests. */
  readonly client_id_param: string;
  readonly token_body: "form" | "json";
  readonly token_headers: Readonly<Record<string, string>>;
  /** The scope parameter of the authorization request. Null if the service has no scopes. */
  readonly scope_param: string | null;
  readonly scope_separator: " " | ",";
  readonly default_scopes: readonly string[];
  /** Added to every consent. Without them the refresh token or the account would be missing. */
  readonly required_scopes: readonly string[];
  readonly common_scopes: readonly { readonly scope: string; readonly meaning: string }[];
  readonly authorization_params: Readonly<Record<string, string>>;
  readonly pkce: "S256" | "none";
  /**
   * The issuer in the callback (RFC 9207). `required`: the server promises to always send `iss`. If
   * not required, `iss` is compared when present.
   */
  readonly issuer: { readonly value: string; readonly required: boolean } | null;
  readonly lifetime: Lifetime;
  readonly config_fields: readonly ConfigField[];
  readonly derived_config: readonly DerivedValue[];
  /** How the API expects the access token. With `scheme` null, the header holds the token alone. */
  readonly api_auth: { readonly header: string; readonly scheme: string | null };
  readonly identity: Identity;
  readonly health: ApiRequest;
  readonly revocation: Revocation;
  readonly hosts: readonly ApiHost[];
  readonly errors: ErrorNames;
  /** Applied in this order, each to the result of the previous one. */
  readonly deviations: readonly Deviation[];
  readonly sources: readonly string[];
  /** Fields based on memory or on a single source, each with the test that would settle it. */
  readonly unverified: readonly string[];
}

/** Values that most services share. A catalog file states only what differs. */
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

/** A provider as written in a catalog file or in an operator's JSON file. */
export type ProviderDefinition = Omit<Provider, keyof typeof DEFAULTS | "deviations"> &
  Partial<Pick<Provider, keyof typeof DEFAULTS>> & { readonly deviations?: readonly DeviationRef[] };

/** Returns the complete provider: fills in defaults and resolves deviations by name. */
export function defineProvider(definition: ProviderDefinition): Provider {
  const deviations = (definition.deviations ?? []).map(deviationOf);
  return Object.freeze({ ...DEFAULTS, ...definition, deviations });
}

/** The classes of the refresh protocol: how to repeat a refresh that may have been consumed. */
export type RotationClass = "none" | "grace" | "strict";

export function rotationClass(provider: Provider): RotationClass {
  const { refresh } = provider.lifetime;
  return refresh.kind === "rotates" ? refresh.reuse : "none";
}

/** Returns the config with defaults for the fields it leaves out. */
export function withDefaults(provider: Provider, config: ConnectionConfig): ConnectionConfig {
  const defaults = provider.config_fields.flatMap((field) =>
    field.default === null ? [] : [[field.name, field.default]],
  );
  return { ...Object.fromEntries(defaults), ...config };
}

/** Reports whether the vendor accepts redirect URIs of this scheme. */
export function acceptsRedirect({ https_redirect_only }: Provider, redirect_uri: string): boolean {
  return !https_redirect_only || redirect_uri.startsWith("https://");
}
