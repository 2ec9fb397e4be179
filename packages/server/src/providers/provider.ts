/**
 * What a provider is: data about one service's OAuth, from the authorization endpoint to revocation.
 *
 * Everything here can be written as JSON (deviations by their name), so that an operator's own service is a file of the
 * same shape. No I/O, no secrets, no branches: where a vendor departs from an RFC it names a Deviation, a pure function
 * in deviations.ts that any provider may use. Nothing outside `catalog/` may compare a provider's id.
 */
import type { ConnectionConfig, JsonObject, JsonValue } from "../core/types.ts";

/** An https URL with `{name}` places that are filled from the connection's config. */
export type UrlTemplate = `https://${string}`;

/** A dotted path into a JSON answer: `authed_user.id`. */
export type JsonPath = string;

/** A value asked of the builder before consent. `pattern` is anchored and decides alone what is accepted (R41). */
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
}

/** A named, non-secret value taken from an answer into the connection's config. A value off its pattern is dropped. */
export interface DerivedValue {
  readonly name: string;
  readonly from: "token" | "identity";
  readonly path: JsonPath;
  readonly pattern: string;
}

/**
 * Lifetimes. `access_s` is what to assume when an answer has no `expires_in`; null = unknown, use until refused.
 * `refresh` is the rotation class of the refresh protocol:
 * - `none`: no refresh tokens at all.
 * - `stays`: the refresh token is good for many refreshes; sending one twice does no harm.
 * - `rotates`, `grace`: each refresh replaces it, and the old one works on for `grace_s`.
 * - `rotates`, `strict`: single use; using one twice may revoke the whole grant (RFC 9700 §4.14.2).
 */
export interface Lifetime {
  readonly access_s: number | null;
  readonly refresh:
    | { readonly kind: "none" }
    | { readonly kind: "stays" }
    | { readonly kind: "rotates"; readonly reuse: "grace"; readonly grace_s: number }
    | { readonly kind: "rotates"; readonly reuse: "strict" };
  /** End of a refresh token's life, counted from its issue, when the answer names none; null = no known end. */
  readonly refresh_token_s: number | null;
}

/** An authenticated call of the vendor's API, and how its answer says yes. */
export interface ApiRequest {
  readonly method: "GET" | "POST";
  readonly url: UrlTemplate;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: JsonValue;
  /** A boolean in the body that must be true, for vendors that answer 200 to everything. */
  readonly ok_path?: JsonPath;
}

export interface AccountPaths {
  readonly id: JsonPath;
  readonly label: JsonPath | null;
  readonly email: JsonPath | null;
}

export type Identity =
  | { readonly from: "token"; readonly account: AccountPaths }
  | { readonly from: "request"; readonly request: ApiRequest; readonly account: AccountPaths };

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
  | {
      /** The vendor's own call. `body` places: `{access_token}`, `{refresh_token}`; URL place: `{client_id}`. */
      readonly kind: "request";
      readonly method: "POST" | "DELETE";
      readonly url: UrlTemplate;
      readonly auth: "bearer" | "client_secret_basic";
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: Readonly<Record<string, string>> | null;
      readonly ok_path?: JsonPath;
      readonly kills_grant: boolean;
    };

/** `under`: where the base URL comes whole from an answer, the domains that it must lie under. */
export interface ApiHost {
  readonly name: string;
  readonly under?: readonly string[];
  readonly base_url: UrlTemplate | "{instance_url}";
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

/** One request to a token or revocation endpoint, before it is sent. */
export interface TokenRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: URLSearchParams | string;
}

/** One answer of such an endpoint: what RFC 6749 §5 expects it to look like after the deviations. */
export interface TokenAnswer {
  readonly status: number;
  readonly body: JsonValue;
}

export interface DeviationContext {
  readonly grant: "authorization_code" | "refresh_token" | "revocation";
  /** The scopes that the connection asks for, since some vendors want them again on refresh. Empty on revocation. */
  readonly scopes: readonly string[];
}

/** A named departure from an RFC. Pure; used by exchange, refresh and revocation alike. */
export interface Deviation {
  readonly name: string;
  /** The section departed from. */
  readonly rfc: string;
  readonly request?: (request: TokenRequest, context: DeviationContext) => TokenRequest;
  /** Reads a body that is not JSON; null = this is not the form it knows. */
  readonly parse?: (text: string, content_type: string) => JsonObject | null;
  readonly response?: (answer: TokenAnswer, context: DeviationContext) => TokenAnswer;
}

export interface Provider {
  /** `integration_type` on the wire. */
  readonly id: string;
  readonly display_name: string;
  readonly description: string;
  /** Path segment of the redirect URI, one per vendor: `/api/external-auth/callback/<vendor>`. */
  readonly vendor: string;
  readonly flow: "authorization_code";
  readonly docs_url: string;
  /** Where an OAuth client is registered, and what to watch out for there. */
  readonly registration: { readonly url: string; readonly notes: readonly string[] };
  readonly authorization_url: UrlTemplate;
  readonly token_url: UrlTemplate;
  readonly client_auth: "client_secret_basic" | "client_secret_post";
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
  flow: "authorization_code",
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
  deviations: [],
} as const satisfies Partial<Provider>;

export type ProviderDefinition = Omit<Provider, keyof typeof DEFAULTS> & Partial<Pick<Provider, keyof typeof DEFAULTS>>;

export function defineProvider(definition: ProviderDefinition): Provider {
  return Object.freeze({ ...DEFAULTS, ...definition });
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
