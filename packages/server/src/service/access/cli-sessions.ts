/**
 * Sessions of command lines: whom an access token `hfc_…` belongs to, new pairs for refresh tokens `hfr_…` (RFC 6749 §6), and
 * the end of a session. Tokens are 256 random bits and stored as SHA-256 only. Every refresh gives a new pair; a refresh token
 * that is used again later ends its session (RFC 9700 §4.14.2).
 *
 * An access token is looked up at most once a second, so a session that was ended on any node is refused everywhere within
 * that, whether notifications arrive or not; on the node that ended it, at once.
 *
 * Errors: GrantError, and ApiError `database_unavailable`.
 */
import type { Limits } from "../../core/limits.ts";
import { ApiError } from "../../core/errors.ts";
import { asUserId, randomToken } from "../../core/ids.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import {
  isSessionExpired,
  type FoundCliToken,
  type NewPair,
  type SessionLife,
} from "../../store/queries/cli-sessions.ts";
import type { CliSessionRow } from "../../store/tables.ts";
import type { Audit } from "../audit.ts";
import type { DatabaseGate } from "../cache/database-gate.ts";
import { createReadCache } from "../cache/read-cache.ts";
import type { Ground } from "../ground.ts";

export const CLI_TOKEN_PREFIX = "hfc_";
const REFRESH_TOKEN_PREFIX = "hfr_";
const TOKEN_PATTERN = /^hf[cr]_[A-Za-z0-9_-]{43}$/;
/** The time of the last use is written at most this often. */
const TOUCH_EVERY_MS = 60_000;

/** The error codes of a token endpoint: RFC 6749 §5.2 and RFC 8628 §3.5. */
export type GrantErrorCode =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "invalid_scope"
  | "unsupported_grant_type"
  | "authorization_pending"
  | "slow_down"
  | "access_denied"
  | "expired_token";

/** What a token endpoint refuses, in the protocol's own words. */
export class GrantError extends Error {
  readonly error: GrantErrorCode;

  constructor(error: GrantErrorCode, description: string) {
    super(description);
    this.name = "GrantError";
    this.error = error;
  }
}

/** RFC 6749 §5.1. Shown once. */
export interface IssuedTokens {
  readonly access_token: Secret;
  readonly refresh_token: Secret;
  readonly expires_in_s: number;
  readonly scope: string;
}

export interface CliPrincipal {
  readonly user_id: string;
  readonly session_id: string;
  readonly scopes: readonly string[];
}

export interface CliSessions {
  /** Null: no live session has this access token. */
  verifyCliSession(bearer: string): Promise<CliPrincipal | null>;
  /** @throws GrantError `invalid_grant` */
  refresh(refresh_token: string, client_id: string): Promise<IssuedTokens>;
  /** RFC 7009: ends the session of either token. A token that is unknown, or another client's, ends nothing. */
  revoke(token: string, client_id: string): Promise<void>;
  /** A person's command lines, oldest first. */
  list(user_id: string): Promise<readonly CliSessionRow[]>;
  /** Who somebody is, as people are told. Null: the account is gone. */
  person(user_id: string): Promise<{ readonly email: string; readonly name: string } | null>;
  /** False when the person has no such session. */
  end(user_id: string, session_id: string): Promise<boolean>;
  endAll(user_id: string): Promise<void>;
  /** A session was ended by other means. */
  clear(): void;
}

export interface CliSessionsDeps extends Pick<Ground, "store" | "clock" | "limits"> {
  readonly gate: DatabaseGate;
  readonly audit: Audit;
}

export function createCliSessions({ store, clock, limits, gate, audit }: CliSessionsDeps): CliSessions {
  const life = sessionLife(limits);
  const cache = createReadCache<FoundCliToken>({
    entries: limits.credential_cache_entries,
    ttl_ms: limits.cache_ttl_without_listener_ms,
    limits,
    clock,
    gate,
  });

  async function verifyCliSession(bearer: string): Promise<CliPrincipal | null> {
    if (!bearer.startsWith(CLI_TOKEN_PREFIX) || !TOKEN_PATTERN.test(bearer)) return null;
    const token = await find(sha256Hex(bearer));
    if (token === null || token.kind !== "access") return null;
    const now = clock.now();
    if (token.expires_at <= now || isSessionExpired(token, now, life)) return null;
    return { user_id: token.user_id, session_id: token.id, scopes: token.scope };
  }

  async function find(hash: string): Promise<FoundCliToken | null> {
    const known = cache.fresh(hash);
    if (known !== null) return known;
    const epoch = cache.epoch();
    try {
      const { value, is_stale } = await cache.read(hash, () => load(hash));
      if (!is_stale) cache.put(hash, await touched(value), epoch);
      return value;
    } catch (error) {
      if (error instanceof ApiError && error.code === "invalid_token") return null;
      throw error;
    }
  }

  async function load(hash: string): Promise<FoundCliToken> {
    const found = await store.findCliToken(hash);
    if (found === null) throw new ApiError("invalid_token");
    return found;
  }

  /** The first use must be on record at once: until then, showing the device code again ends the session. */
  async function touched(token: FoundCliToken): Promise<FoundCliToken> {
    const now = clock.now();
    if (token.first_used_at !== null && now < plus(token.last_used_at, TOUCH_EVERY_MS)) return token;
    await store.useCliSession(token.id);
    return { ...token, first_used_at: token.first_used_at ?? now, last_used_at: now };
  }

  function recordEnd(session: Pick<CliSessionRow, "id" | "user_id">, action: string): void {
    audit.record({
      app_id: "",
      actor: `user:${session.user_id}`,
      action,
      target: session.id,
      request_id: null,
    });
  }

  async function end(session: Pick<CliSessionRow, "id" | "user_id">, action: string): Promise<boolean> {
    const ended = await store.endCliSession(session.id, session.user_id);
    cache.clear();
    if (ended) recordEnd(session, action);
    return ended;
  }

  return {
    verifyCliSession,
    async refresh(refresh_token, client_id) {
      if (!refresh_token.startsWith(REFRESH_TOKEN_PREFIX) || !TOKEN_PATTERN.test(refresh_token)) throw over();
      const { pair, tokens } = newPair(limits);
      const rotation = await store.rotateCliToken({ refresh_hash: sha256Hex(refresh_token), client_id }, pair, {
        ...life,
        grace_ms: limits.cli_refresh_grace_ms,
      });
      if (rotation.kind === "rotated") return { ...tokens, scope: rotation.session.scope.join(" ") };
      if (rotation.kind === "reused") {
        cache.clear();
        recordEnd(rotation.session, "cli_session.refresh_token_reused");
      }
      throw over();
    },
    async revoke(token, client_id) {
      if (!TOKEN_PATTERN.test(token)) return;
      const found = await store.findCliToken(sha256Hex(token));
      if (found !== null && found.client_id === client_id) await end(found, "cli_session.logout");
    },
    async person(user_id) {
      const user = await store.getUser(asUserId(user_id));
      if (user === null) return null;
      // The public CLI refuses a login without a name.
      return { email: user.email, name: user.name.trim() === "" ? user.email : user.name };
    },
    list: (user_id) => store.listCliSessions(user_id),
    end: (user_id, session_id) => end({ user_id, id: session_id }, "cli_session.end"),
    async endAll(user_id) {
      await store.endCliSessionsOf(user_id);
      cache.clear();
    },
    clear: () => cache.clear(),
  };
}

function over(): GrantError {
  return new GrantError("invalid_grant", "This login is over. Sign in again.");
}

export function sessionLife(limits: Limits): SessionLife {
  return {
    access_ttl_ms: limits.cli_access_token_ttl_ms,
    idle_ms: limits.cli_session_idle_ms,
    absolute_ms: limits.cli_session_absolute_ms,
  };
}

/** A new pair of tokens, and what is stored of it. */
export function newPair(limits: Limits): { readonly pair: NewPair; readonly tokens: Omit<IssuedTokens, "scope"> } {
  const access = `${CLI_TOKEN_PREFIX}${randomToken()}`;
  const refresh = `${REFRESH_TOKEN_PREFIX}${randomToken()}`;
  return {
    pair: { access_hash: sha256Hex(access), refresh_hash: sha256Hex(refresh) },
    tokens: {
      access_token: new Secret(access),
      refresh_token: new Secret(refresh),
      expires_in_s: Math.floor(limits.cli_access_token_ttl_ms / 1_000),
    },
  };
}
