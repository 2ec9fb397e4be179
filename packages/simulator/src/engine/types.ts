/**
 * The vocabulary of the simulator: the parts of a vendor profile, and the values the engine passes
 * to it.
 *
 * A profile is data plus a few pure functions. It must not keep state, read a clock or touch a
 * socket. The engine does that, so a new vendor cannot forget to check a code, a secret or an
 * expiry. Lifetimes are seconds (`_s`), as vendors announce them. Instants are ms since epoch.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Modes } from "./modes.ts";
import type { Collection, Objects } from "./objects.ts";

export type Kind = "authorize" | "consent" | "code_exchange" | "refresh" | "revoke" | "identity" | "resource" | "other";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** `undefined` members are omitted from the body, as JSON.stringify does. */
export interface JsonObject {
  readonly [name: string]: Json | undefined;
}

/**
 * One request to `https://host/path`, already parsed. `fields` holds the string members of a form
 * or JSON body.
 */
export interface Incoming {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /**
   * `none` is an empty body. `null` is the JSON literal null, which Dropbox requires. `other` is
   * malformed JSON, or a media type that is neither a form nor JSON.
   */
  readonly body_type: "form" | "json" | "null" | "none" | "other";
  readonly fields: ReadonlyMap<string, string>;
  /** All values of a repeated form field (checkboxes). */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  /** The members of a JSON body, of any type. Empty for other bodies. */
  readonly json: JsonObject;
  /** The body as sent. */
  readonly raw: Buffer;
}

/** How a reply leaves the machine. Everything but `plain` is a fault on the wire. */
type Delivery = "plain" | "hang_up" | "cut" | "drip" | "huge";

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  readonly delivery: Delivery;
}

/**
 * A user at a vendor. `org` is the team, workspace or organization. Written `name` or `name@org`.
 */
export interface Account {
  readonly name: string;
  readonly org: string;
  readonly email: string;
}

/** Why a token request is refused. Each vendor has its own wording. */
export type Refusal =
  | "no_client"
  | "no_secret"
  | "bad_secret"
  | "wrong_auth_method"
  | "wrong_body"
  | "bad_grant_type"
  | "bad_code"
  | "used_code"
  | "expired_code"
  | "wrong_redirect"
  | "no_verifier"
  | "bad_verifier"
  | "bad_refresh"
  | "used_refresh"
  | "expired_refresh"
  | "revoked_refresh"
  | "rate_limited"
  | "try_later";

export interface ErrorSpec {
  readonly status: number;
  readonly error: string;
  readonly description: string;
}

/** Why an API call is refused. */
export type TokenProblem = "missing" | "invalid" | "expired" | "revoked" | "scope";

/**
 * One list of scopes in the authorization request. Slack has two lists, each with a token of its
 * own. Lists with the same label share one token (HubSpot).
 */
export interface ScopeList {
  readonly label: string;
  readonly param: string;
  readonly separator: "," | " ";
}

export interface ConsentContext {
  readonly query: URLSearchParams;
  readonly modes: Modes;
  readonly account: Account;
  readonly client_id: string;
  readonly client_secret: string;
  readonly now: number;
  /** Granted scopes of all lists. */
  readonly scopes: readonly string[];
  /** Whether this user approves this client for the first time. */
  readonly first_consent: boolean;
}

/**
 * The parts of one issued token. Faults of stage "shape" change them before the vendor builds its
 * reply.
 */
export interface Issued {
  readonly label: string;
  readonly scopes: readonly string[];
  readonly access_token: string | undefined;
  readonly refresh_token: string | undefined;
  readonly expires_in: number | string | undefined;
  readonly refresh_token_expires_in: number | undefined;
}

export interface IssueContext {
  readonly leg: "exchange" | "refresh";
  readonly issued: readonly Issued[];
  readonly account: Account;
  readonly client_id: string;
  readonly client_secret: string;
  /** The host at which the user consented. At Salesforce it determines the org. */
  readonly consent_host: string;
  readonly nonce: string | undefined;
  readonly modes: Modes;
  readonly now: number;
}

export interface TokenPolicy {
  /** null: the token does not expire. */
  readonly access_life_s: number | null;
  /** Whether the reply has `expires_in`. */
  readonly announces_expiry: boolean;
  readonly rotates: boolean;
  /** Whether a refresh ends the previous access token. */
  readonly old_access_dies: boolean;
  readonly refresh_life_s: number | null;
  /** How long a used refresh token is still accepted. Infinity: forever (Microsoft). Default 0. */
  readonly reuse_grace_s?: number;
  /**
   * The effect of presenting a used refresh token. Default `ends_grant`, the strictest vendor
   * behavior.
   */
  readonly on_reuse?: "ends_grant" | "refused";
  /** Whether the reply to a refresh that does not rotate repeats the same refresh token. */
  readonly repeats_refresh_token?: boolean;
  /**
   * `absolute`: all later refresh tokens expire with the first one (LinkedIn). Default `sliding`.
   */
  readonly refresh_end?: "sliding" | "absolute";
}

export type HostMatch = string | RegExp;

/** The vendor's own names of parameters. The first one present counts. */
export interface ParameterNames {
  readonly client_id?: string;
  readonly redirect_uri?: readonly string[];
}

export interface AuthorizeSpec {
  readonly hosts: readonly HostMatch[];
  readonly path: string | readonly string[];
  readonly names?: ParameterNames;
  readonly scope_lists: readonly ScopeList[];
  readonly scope_required?: boolean;
  readonly response_type_required?: boolean;
  /** `ignored`: the vendor does not read the PKCE parameters. */
  readonly pkce: "ignored" | "supported" | "required";
  readonly pkce_plain?: boolean;
  /** Encoding of the digest in an S256 challenge. Default base64url (RFC 7636). TikTok uses hex. */
  readonly challenge_encoding?: "base64url" | "hex";
  /** Shortest `state` accepted. Default 0: it can be omitted. */
  readonly state_min_length?: number;
  /** Compares registered redirect URIs without the query, which carries the state (Wix). */
  readonly redirect_query_ignored?: boolean;
  /** Whether http redirect URIs outside loopback are accepted. */
  readonly http_redirects?: boolean;
  /** RFC 9207 issuer, sent in every callback. */
  readonly issuer?: string;
  /** Whether this consent issues a refresh token. */
  offline(context: ConsentContext): boolean;
  /** Parameters beside code, state and iss. */
  callback?(context: ConsentContext): Readonly<Record<string, string>>;
  /** Parameters beside `error=access_denied`, state and iss. */
  readonly denied?: Readonly<Record<string, string>>;
}

export interface TokenSpec {
  readonly hosts: readonly HostMatch[];
  readonly path: string;
  readonly client_auth: readonly ("basic" | "post")[];
  readonly body: readonly ("form" | "json")[];
  /** The vendor's name of `client_id` in the body, at the token endpoint and at revocation. */
  readonly client_id_field?: string;
  /**
   * An installed app gets tokens by client_credentials, named by this field. There are no codes
   * (Wix).
   */
  readonly installation?: {
    readonly field: string;
    id(account: Account, client_id: string): string;
  };
  /**
   * `scope` in a refresh request. With `required`, omitting it leaves the new token without scopes.
   * Default: not read.
   */
  readonly scope_on_refresh?: "required" | "honored";
  readonly code_life_s: number;
  /** Whether the exchange must repeat the redirect URI. A different one is always refused. */
  readonly redirect_uri_required: boolean;
  readonly grant_type_optional?: boolean;
  readonly errors: Readonly<Record<Refusal, ErrorSpec>>;
  readonly errorBody: (error: ErrorSpec) => JsonObject;
  policy(modes: Modes): TokenPolicy;
  newCode(): string;
  newAccessToken(label: string, policy: TokenPolicy): string;
  newRefreshToken(label: string): string;
  successBody(context: IssueContext): JsonObject;
  /** For vendors whose replies are not always JSON. */
  render?(incoming: Incoming, status: number, body: JsonObject): Reply;
}

/** The caller of an API route, after its token was accepted. */
export interface Caller {
  readonly account: Account;
  readonly client_id: string;
  readonly grant_id: string;
  readonly label: string;
  readonly scopes: readonly string[];
  /** The host at which the user consented. */
  readonly consent_host: string;
  /** Age of the access token. */
  readonly token_age_s: number;
  /** Remaining lifetime of the access token in seconds. null: it does not expire. */
  readonly expires_in: number | null;
}

/** The engine's services for routes outside the OAuth core. */
export interface RouteContext {
  readonly incoming: Incoming;
  /** Values of `:name` segments of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly now: number;
  /**
   * Revokes by token. `token`: only this one. `grant`: its whole family. `account`: all grants of
   * that user and client.
   */
  readonly revokeToken: (
    token: string,
    reach: "token" | "grant" | "account",
    client_id?: string,
  ) => RevokedToken | null;
  readonly checkClient: (...methods: readonly ("basic" | "post")[]) => {
    readonly client_id: string;
    readonly ok: boolean;
  };
  readonly secretOf: (client_id: string) => string;
  /** Returns the caller of another access token, or null: introspection. */
  readonly inspect: (token: string) => Caller | null;
  /**
   * Issues a new access token of the caller's grant, for vendors that renew without a refresh token
   * (Instagram).
   */
  readonly renew: (caller: Caller, life_s: number) => Issued;
  /**
   * Returns the objects of a user or an organization at this vendor, for APIs that store some.
   * @param owner the email or the name of the organization.
   */
  readonly objects: (collection: Collection, owner: string) => Objects;
}

export interface RevokedToken {
  readonly type: "access" | "refresh";
  readonly client_id: string;
  readonly grant_id: string;
}

export type RouteKind = "revoke" | "identity" | "resource" | "refresh" | "code_exchange" | "other";

interface RouteBase {
  readonly hosts: readonly HostMatch[];
  readonly method: "GET" | "POST" | "DELETE" | "PUT" | "PATCH";
  readonly path: string;
  /** Faults apply to `refresh` and `code_exchange` as they do at the token endpoint. */
  readonly kind: RouteKind | ((incoming: Incoming) => RouteKind);
  /** The integration types that this API belongs to. Default: all types of the vendor. */
  readonly serves?: readonly string[];
  /**
   * Query parameters in which the vendor requires a secret. The ledger does not report them as
   * leaks.
   */
  readonly secrets_in_query?: readonly string[];
  /** Refuses before any other check, e.g. when a header is missing. */
  precheck?(incoming: Incoming): Reply | null;
}

export interface OpenRoute extends RouteBase {
  readonly auth: "none";
  handle(context: RouteContext): Reply;
}

export interface TokenRoute extends RouteBase {
  readonly auth: "token";
  /** One of these scopes is required. Default: any live token is accepted. */
  readonly scopes?: readonly string[];
  /** Returns the token, for APIs that do not use `Authorization: Bearer`. */
  presented?(incoming: Incoming): string | null;
  denied(problem: TokenProblem, needed: readonly string[], held: readonly string[]): Reply;
  handle(context: RouteContext, caller: Caller): Reply;
}

export type Route = OpenRoute | TokenRoute;

export type Capability = "connect" | "refresh" | "rotate" | "identity" | "health" | "revoke";

/**
 * Whether the vendor supports it, and the page that documents it. For `false`: the page that lacks
 * it.
 */
export type Capabilities = Readonly<Record<Capability, { readonly supported: boolean; readonly source: string }>>;

export interface Vendor {
  readonly id: string;
  readonly name: string;
  /** The integration types of this authorization server. */
  readonly serves: readonly string[];
  readonly capabilities: Capabilities;
  /**
   * Hosts with the same realm are one authorization server. It does not know codes and tokens of
   * other realms. Default: all hosts share one realm.
   */
  realm?(host: string): string;
  readonly authorize: AuthorizeSpec;
  readonly token: TokenSpec;
  readonly routes: readonly Route[];
}
