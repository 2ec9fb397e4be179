/**
 * The true state of the provider: grants, their refresh tokens, and the effect of each request. The
 * engine can only guess it, but the invariants look it up here. Tokens are strings that name their
 * connection. Instants are true time.
 *
 * Rotation: `none` keeps the refresh token. `grace` issues a new one at each use, and accepts the
 * old one for `grace_ms` after its first use. `strict` accepts no second use. A later use revokes
 * the whole grant (RFC 9700 §4.14.2).
 */
import type { RotationClass } from "../../src/providers/provider.ts";

export interface Grant {
  readonly connection: string;
  /** Counts the consents of the connection. */
  readonly number: number;
  revoked_by: "reuse" | "user" | "us" | null;
  /** The token whose late second use revoked the grant. */
  reused: RefreshToken | null;
}

/** The process that sent a request. */
interface Sender {
  readonly owner: string;
  readonly dead: boolean;
}

export interface RefreshToken {
  readonly text: string;
  readonly grant: Grant;
  readonly issued_at: number;
  used_at: number | null;
  /** The token that it was issued for. Null after a consent. */
  readonly parent: RefreshToken | null;
  /** When it was stored in the database, in true time. Null if it was not. */
  stored_at: number | null;
  /** Why its response reached no process. Null if it did, or still can. */
  lost: string | null;
  /** The process that sent the request. */
  sent_by: Sender | null;
}

export interface AccessToken {
  readonly text: string;
  readonly connection: string;
  readonly expires_at: number;
}

export interface Issued {
  readonly access: AccessToken;
  /** Null if the response has none, and the presented one stays. */
  readonly refresh: RefreshToken | null;
}

export interface ProviderModel {
  readonly rotation: RotationClass;
  readonly grace_ms: number;
  readonly access_ms: number;
  /** Creates a grant. Its access token was issued `age_ms` ago. */
  consent(connection: string, age_ms?: number): Issued & { readonly refresh: RefreshToken };
  /**
   * Returns new tokens, or null for `invalid_grant`. `keep`: does not replace the refresh token.
   */
  refresh(text: string, keep: boolean, sent_by: Sender): Issued | null;
  /**
   * Reports whether a response without a refresh token is plausible: the token was never replaced.
   */
  canKeep(text: string): boolean;
  revoke(connection: string, by: "user" | "us", only?: Grant): void;
  /** Reports whether a refresh with this token would succeed now. */
  accepts(text: string): boolean;
  token(text: string): RefreshToken | null;
  access(text: string): AccessToken | null;
  tokensOf(connection: string): readonly RefreshToken[];
}

export interface ProviderOptions {
  readonly rotation: RotationClass;
  readonly grace_ms: number;
  readonly access_ms: number;
  readonly now: () => number;
}

interface ProviderState extends ProviderOptions {
  readonly grants: Grant[];
  readonly refreshTokens: Map<string, RefreshToken>;
  readonly accessTokens: Map<string, AccessToken>;
}

export function createProvider({ rotation, grace_ms, access_ms, now }: ProviderOptions): ProviderModel {
  const state: ProviderState = {
    rotation,
    grace_ms,
    access_ms,
    now,
    grants: [],
    refreshTokens: new Map(),
    accessTokens: new Map(),
  };
  const { refreshTokens, accessTokens } = state;
  return {
    rotation,
    grace_ms,
    access_ms,
    consent: (connection, age_ms) => consent(state, connection, age_ms),
    refresh: (text, keep, sent_by) => refresh(state, text, keep, sent_by),
    canKeep: (text) => refreshTokens.get(text)?.used_at === null,
    revoke: (connection, by, only) => revoke(state, connection, by, only),
    accepts: (text) => accepts(state, text),
    token: (text) => refreshTokens.get(text) ?? null,
    access: (text) => accessTokens.get(text) ?? null,
    tokensOf: (connection) => [...refreshTokens.values()].filter(({ grant }) => grant.connection === connection),
  };
}

function consent(
  state: ProviderState,
  connection: string,
  age_ms?: number,
): Issued & { readonly refresh: RefreshToken } {
  const { grants } = state;
  const number = grants.filter((grant) => grant.connection === connection).length + 1;
  const grant: Grant = { connection, number, revoked_by: null, reused: null };
  grants.push(grant);
  return { access: issueAccess(state, connection, age_ms), refresh: issueRefresh(state, grant, null, null) };
}

function refresh(state: ProviderState, text: string, keep: boolean, sent_by: Sender): Issued | null {
  const token = state.refreshTokens.get(text);
  if (token === undefined || token.grant.revoked_by !== null) return null;
  if (isReuse(state, token)) {
    token.grant.revoked_by = "reuse";
    token.grant.reused = token;
    return null;
  }
  const access = issueAccess(state, token.grant.connection);
  if (state.rotation === "none" || keep) return { access, refresh: null };
  token.used_at ??= state.now();
  return { access, refresh: issueRefresh(state, token.grant, token, sent_by) };
}

function revoke({ grants }: ProviderState, connection: string, by: "user" | "us", only?: Grant): void {
  for (const grant of grants)
    if (grant.connection === connection && (only === undefined || grant === only)) grant.revoked_by ??= by;
}

function accepts(state: ProviderState, text: string): boolean {
  const token = state.refreshTokens.get(text);
  return token !== undefined && token.grant.revoked_by === null && !isReuse(state, token);
}

function isReuse({ rotation, grace_ms, now }: ProviderState, { used_at }: RefreshToken): boolean {
  return used_at !== null && rotation !== "none" && now() >= used_at + (rotation === "grace" ? grace_ms : 0);
}

function issueAccess({ accessTokens, access_ms, now }: ProviderState, connection: string, age_ms = 0): AccessToken {
  const expires_at = now() + access_ms - age_ms;
  const access = { text: `at.${connection}.${accessTokens.size}`, connection, expires_at };
  accessTokens.set(access.text, access);
  return access;
}

function issueRefresh(
  { refreshTokens, now }: ProviderState,
  grant: Grant,
  parent: RefreshToken | null,
  sent_by: Sender | null,
): RefreshToken {
  const text = `rt.${grant.connection}.${refreshTokens.size}`;
  const issued_at = now();
  const token: RefreshToken = { text, grant, issued_at, parent, used_at: null, stored_at: null, lost: null, sent_by };
  refreshTokens.set(text, token);
  return token;
}
