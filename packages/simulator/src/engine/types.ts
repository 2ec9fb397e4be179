/**
 * The words of the simulator: what a vendor profile is made of and what the engine hands to it.
 *
 * A profile is data plus a few pure functions. It must not keep state, read a clock or touch a socket: the engine does
 * that, so that a new vendor cannot forget to check a code, a secret or an expiry. Lifetimes are seconds (`_s`), as the
 * vendors announce them; instants are ms since epoch.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Modes } from "./modes.ts";

export type Kind = "authorize" | "consent" | "code_exchange" | "refresh" | "revoke" | "identity" | "resource" | "other";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** `undefined` members are left out of the body, as JSON.stringify does. */
export interface JsonObject {
  readonly [name: string]: Json | undefined;
}

/** One request to `https://host/path`, already parsed. `fields` holds the string members of a form or JSON body. */
export interface Incoming {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /**
   * `none` for an empty body, `null` for the JSON literal null (Dropbox wants it), `other` for a media type that
   * neither is a form nor JSON, or for malformed JSON.
   */
  readonly body_type: "form" | "json" | "null" | "none" | "other";
  readonly fields: ReadonlyMap<string, string>;
  /** All values of a repeated form field (check boxes). */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  /** The members of a JSON body, of whatever type; empty for other bodies. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** How an answer leaves the machine; anything but `plain` is a fault on the wire. */
type Delivery = "plain" | "hang_up" | "cut" | "drip" | "huge";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  readonly delivery: Delivery;
}

/** A person at a vendor. `org` is the team, workspace or organisation; text form `name` or `name@org`. */
export interface Account {
  readonly name: string;
  readonly org: string;
  readonly email: string;
}

/** Why a token request is refused. Every vendor words each of them in its own way. */
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
 * One list of scopes in the authorization request. Slack has two, each leading to a token of its own; lists with the
 * same label lead to one token together (HubSpot).
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
  /** Whether this person never approved this client before. */
  readonly first_consent: boolean;
}

/** What one token of an answer consists of. The faults of stage "shape" change it before the vendor words it. */
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
  /** Host the person consented at; it tells the org at Salesforce. */
  readonly consent_host: string;
  readonly nonce: string | undefined;
  readonly modes: Modes;
  readonly now: number;
}

export interface TokenPolicy {
  /** null: the vendor sets no end. */
  readonly access_life_s: number | null;
  /** Whether `expires_in` is in the answer. */
  readonly announces_expiry: boolean;
  readonly rotates: boolean;
  /** Whether a refresh kills the access token before it. */
  readonly old_access_dies: boolean;
  readonly refresh_life_s: number | null;
  /** How long a used refresh token is still taken; Infinity: it is never used up (Microsoft). Default 0. */
  readonly reuse_grace_s?: number;
  /** What a used refresh token does when it comes back. Default `ends_grant`, the worst that a vendor may do. */
  readonly on_reuse?: "ends_grant" | "refused";
  /** Whether a refresh that does not rotate still names the refresh token in its answer: the same one. */
  readonly repeats_refresh_token?: boolean;
  /** `absolute`: the end of the first refresh token is the end of all that follow it (LinkedIn). Default `sliding`. */
  readonly refresh_end?: "sliding" | "absolute";
}

export type HostMatch = string | RegExp;

/** Names of parameters that the vendor spells in its own way. The first one present counts. */
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
  /** `ignored`: both PKCE parameters go unread, as at vendors without PKCE. */
  readonly pkce: "ignored" | "supported" | "required";
  readonly pkce_plain?: boolean;
  /** How the digest is written in an S256 challenge. Default base64url (RFC 7636); TikTok wants hex. */
  readonly challenge_encoding?: "base64url" | "hex";
  /** Shortest `state` taken; default 0: it may be left out. */
  readonly state_min_length?: number;
  /** Registered redirect URIs are compared without the query, where state is put into it (Wix). */
  readonly redirect_query_ignored?: boolean;
  /** Whether http redirect URIs outside loopback pass. */
  readonly http_redirects?: boolean;
  /** RFC 9207 issuer, sent in every callback. */
  readonly issuer?: string;
  /** Whether this consent gives a refresh token. */
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
  /** The name of `client_id` in the body, at the token endpoint and at revocation. */
  readonly client_id_field?: string;
  /** Tokens come by client_credentials for an installed app, named by this field; there are no codes (Wix). */
  readonly installation?: {
    readonly field: string;
    id(account: Account, client_id: string): string;
  };
  /** `scope` of a refresh request: `needed`: without it the new token has none. Default: not read. */
  readonly scope_on_refresh?: "needed" | "honoured";
  readonly code_life_s: number;
  /** Whether the redirect URI of the first leg must be repeated. A different one is refused either way. */
  readonly redirect_uri_required: boolean;
  readonly grant_type_optional?: boolean;
  readonly errors: Readonly<Record<Refusal, ErrorSpec>>;
  readonly errorBody: (error: ErrorSpec) => JsonObject;
  policy(modes: Modes): TokenPolicy;
  mintCode(): string;
  mintAccess(label: string, policy: TokenPolicy): string;
  mintRefresh(label: string): string;
  answer(context: IssueContext): JsonObject;
  /** For vendors whose answer is not always JSON. */
  render?(incoming: Incoming, status: number, body: JsonObject): Answer;
}

/** The caller of an API route, once its token has passed. */
export interface Caller {
  readonly account: Account;
  readonly client_id: string;
  readonly grant_id: string;
  readonly label: string;
  readonly scopes: readonly string[];
  /** Host the person consented at. */
  readonly consent_host: string;
  /** Age of the access token. */
  readonly token_age_s: number;
  /** Rest of the access token's life; null: no end. */
  readonly expires_in: number | null;
}

/** What routes outside the OAuth core may ask of the engine. */
export interface RouteContext {
  readonly incoming: Incoming;
  /** Values of `:name` segments of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly now: number;
  /** Revokes by token. `token`: this one; `grant`: its whole family; `account`: all of that person and client. */
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
  /** Who stands behind an access token that was not the caller's own: introspection. */
  readonly inspect: (token: string) => Caller | null;
  /** A new access token of the caller's grant, for vendors that renew without a refresh token (Instagram). */
  readonly renew: (caller: Caller, life_s: number) => Issued;
  /** Things this person made through the API, kept per vendor, account and name; bounded. */
  readonly made: (name: string, account: Account) => readonly JsonObject[];
  readonly make: (name: string, account: Account, thing: JsonObject) => void;
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
  /** Faults strike `refresh` and `code_exchange` as they do at the token endpoint. */
  readonly kind: RouteKind | ((incoming: Incoming) => RouteKind);
  /** The integration types whose API this is; absent: all that the vendor serves. */
  readonly serves?: readonly string[];
  /** Query parameters that carry a secret because the vendor wants them there; the ledger does not call them leaks. */
  readonly secrets_in_query?: readonly string[];
  /** Refuses before anything else is looked at: a header that must be there. */
  precheck?(incoming: Incoming): Answer | null;
}

export interface OpenRoute extends RouteBase {
  readonly auth: "none";
  handle(context: RouteContext): Answer;
}

export interface TokenRoute extends RouteBase {
  readonly auth: "token";
  /** One of these scopes is needed; absent: any live token will do. */
  readonly scopes?: readonly string[];
  /** Where the token is, if not in `Authorization: Bearer`. */
  presented?(incoming: Incoming): string | null;
  denied(problem: TokenProblem, needed: readonly string[], held: readonly string[]): Answer;
  handle(context: RouteContext, caller: Caller): Answer;
}

export type Route = OpenRoute | TokenRoute;

export type Capability = "connect" | "refresh" | "rotate" | "identity" | "health" | "revoke";

/** Whether the vendor itself has it, and the page that says so (for `false`: the page where it is missing). */
export type Capabilities = Readonly<Record<Capability, { readonly supported: boolean; readonly source: string }>>;

export interface Vendor {
  readonly id: string;
  readonly name: string;
  /** The integration types that this authorization server stands for. */
  readonly serves: readonly string[];
  readonly capabilities: Capabilities;
  /**
   * Hosts with the same realm are one authorization server: codes and tokens of another are unknown there. Absent: all
   * hosts are one.
   */
  realm?(host: string): string;
  readonly authorize: AuthorizeSpec;
  readonly token: TokenSpec;
  readonly routes: readonly Route[];
}
