/**
 * Sessions of command lines: finds the user of an access token, refreshes tokens (RFC 6749 §6) and
 * ends sessions. Each refresh issues a new pair. Reusing an old refresh token ends the session (RFC
 * 9700 §4.14.2). Owns the cache of access tokens. Must not know how a login began: device.ts does.
 *
 * A cached access token is read again after a second. So every node refuses an ended session within
 * a second, even when notifications are lost. The node that ended it refuses it at once.
 *
 * Errors: GrantError, and CodedError `database_unavailable`.
 */
import { CodedError } from "../../core/errors.ts";
import { asUserId } from "../../core/ids.ts";
import { sha256Hex } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import { isSessionExpired, type FoundCliToken } from "../../store/queries/cli-sessions.ts";
import type { CliSessionRow } from "../../store/tables.ts";
import type { Audit } from "../audit.ts";
import type { DatabaseGate } from "../cache/database-gate.ts";
import { createReadCache, type ReadCache } from "../cache/read-cache.ts";
import type { Ground } from "../ground.ts";
import { isAccessToken, isCliToken, isRefreshToken, newPair, sessionLife, type IssuedTokens } from "./cli-tokens.ts";
import { GrantError } from "./grant-error.ts";

/** The time of the last use is stored at most this often. */
const TOUCH_EVERY_MS = 60_000;

export interface CliPrincipal {
  readonly user_id: string;
  readonly session_id: string;
  readonly scopes: readonly string[];
}

export interface CliSessions {
  /** Returns null unless the token is a live session's access token. */
  verifyCliSession(bearer: string): Promise<CliPrincipal | null>;
  /** @throws GrantError `invalid_grant` */
  refresh(refresh_token: string, client_id: string): Promise<IssuedTokens>;
  /** Ends the session of either token (RFC 7009). Ignores an unknown token and another client's. */
  revoke(token: string, client_id: string): Promise<void>;
  /** Returns the user's sessions, oldest first. */
  list(user_id: string): Promise<readonly CliSessionRow[]>;
  /** Returns the user's email and name to show. Null when the account is deleted. */
  account(user_id: string): Promise<{ readonly email: string; readonly name: string } | null>;
  /** Returns false when the user has no such session. */
  end(user_id: string, session_id: string): Promise<boolean>;
  endAll(user_id: string): Promise<void>;
  /** Drops the cache. Called after a session ended in another way. */
  clear(): void;
}

interface CliSessionsDeps extends Pick<Ground, "store" | "clock" | "limits"> {
  readonly gate: DatabaseGate;
  readonly audit: Audit;
}

interface CliSessionsState extends CliSessionsDeps {
  /** By the token's SHA-256. */
  readonly cache: ReadCache<FoundCliToken>;
}

type SessionId = Pick<CliSessionRow, "id" | "user_id">;

export function createCliSessions(deps: CliSessionsDeps): CliSessions {
  const { store, clock, limits, gate } = deps;
  const { credential_cache_entries: entries, cache_ttl_without_listener_ms: ttl_ms } = limits;
  const state = { ...deps, cache: createReadCache<FoundCliToken>({ entries, ttl_ms, limits, clock, gate }) };
  return {
    verifyCliSession: (bearer) => verifyCliSession(state, bearer),
    refresh: (refresh_token, client_id) => refresh(state, refresh_token, client_id),
    revoke: (token, client_id) => revoke(state, token, client_id),
    list: (user_id) => store.listCliSessions(user_id),
    account: (user_id) => account(state, user_id),
    end: (user_id, id) => end(state, { user_id, id }, "cli_session.end"),
    endAll: (user_id) => endAll(state, user_id),
    clear: () => state.cache.clear(),
  };
}

async function verifyCliSession(state: CliSessionsState, bearer: string): Promise<CliPrincipal | null> {
  const { clock, limits } = state;
  if (!isAccessToken(bearer)) return null;
  const token = await find(state, sha256Hex(bearer));
  if (token === null || token.kind !== "access") return null;
  const now = clock.now();
  if (token.expires_at <= now || isSessionExpired(token, now, sessionLife(limits))) return null;
  return { user_id: token.user_id, session_id: token.id, scopes: token.scope };
}

async function find(state: CliSessionsState, hash: string): Promise<FoundCliToken | null> {
  const { cache } = state;
  const known = cache.fresh(hash);
  if (known !== null) return known;
  const epoch = cache.epoch();
  try {
    const { value, is_stale } = await cache.read(hash, () => load(state, hash));
    if (!is_stale) cache.put(hash, await touch(state, value), epoch);
    return value;
  } catch (error) {
    if (error instanceof CodedError && error.code === "invalid_token") return null;
    throw error;
  }
}

async function load({ store }: CliSessionsState, hash: string): Promise<FoundCliToken> {
  const found = await store.findCliToken(hash);
  if (found === null) throw new CodedError("invalid_token");
  return found;
}

/** Stores the first use at once. Until then, reusing the device code ends the session. */
async function touch({ store, clock }: CliSessionsState, token: FoundCliToken): Promise<FoundCliToken> {
  const now = clock.now();
  if (token.first_used_at !== null && now < plus(token.last_used_at, TOUCH_EVERY_MS)) return token;
  await store.useCliSession(token.id);
  return { ...token, first_used_at: token.first_used_at ?? now, last_used_at: now };
}

async function refresh(state: CliSessionsState, refresh_token: string, client_id: string): Promise<IssuedTokens> {
  const { store, limits, cache, audit } = state;
  if (!isRefreshToken(refresh_token)) throw loginExpired();
  const { pair, tokens } = newPair(limits);
  const life = { ...sessionLife(limits), grace_ms: limits.cli_refresh_grace_ms };
  const rotation = await store.rotateCliToken({ refresh_hash: sha256Hex(refresh_token), client_id }, pair, life);
  if (rotation.kind === "rotated") return { ...tokens, scope: rotation.session.scope.join(" ") };
  if (rotation.kind === "reused") {
    cache.clear();
    recordEnd(audit, rotation.session, "cli_session.refresh_token_reused");
  }
  throw loginExpired();
}

function loginExpired(): GrantError {
  return new GrantError("invalid_grant", "This login has expired. Sign in again.");
}

async function revoke(state: CliSessionsState, token: string, client_id: string): Promise<void> {
  if (!isCliToken(token)) return;
  const found = await state.store.findCliToken(sha256Hex(token));
  if (found !== null && found.client_id === client_id) await end(state, found, "cli_session.logout");
}

async function account({ store }: CliSessionsState, user_id: string) {
  const user = await store.getUser(asUserId(user_id));
  if (user === null) return null;
  // The public CLI refuses a login without a name.
  return { email: user.email, name: user.name.trim() === "" ? user.email : user.name };
}

async function end({ store, cache, audit }: CliSessionsState, session: SessionId, action: string): Promise<boolean> {
  const is_ended = await store.endCliSession(session.id, session.user_id);
  cache.clear();
  if (is_ended) recordEnd(audit, session, action);
  return is_ended;
}

function recordEnd(audit: Audit, { id, user_id }: SessionId, action: string): void {
  audit.record({ actor: `user:${user_id}`, action, target: id });
}

async function endAll({ store, cache }: CliSessionsState, user_id: string): Promise<void> {
  await store.endCliSessionsOf(user_id);
  cache.clear();
}
