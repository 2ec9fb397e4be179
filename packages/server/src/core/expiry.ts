/**
 * Expiry arithmetic: when a token is fresh, when it is refreshed in the background, and when a
 * reader waits for a refresh. Also parses `expires_in` (RFC 6749 §5.1 requires seconds as a number,
 * but vendors send strings, nulls and nonsense).
 *
 * Pure functions over Instants. `expires_at: null` means that the expiry is unknown: the token is
 * used until the API rejects it.
 */
import { instant, plus, type Instant } from "./types.ts";

/**
 * A token counts as expired this long before its expiry, so that it does not expire while a caller
 * uses it.
 */
const MAX_SKEW_MS = 5 * 60_000;
const SKEW_SHARE = 0.1;
/**
 * Background refresh happens between these shares of the token's lifetime, spread by connection.
 */
const REFRESH_FROM = 0.75;
const REFRESH_TO = 0.9;
/**
 * Ten years. A longer lifetime means "never" or is a mistake, and must not overflow the arithmetic.
 */
const MAX_LIFETIME_S = 315_360_000;
/** Shorter lifetimes are raised to this. Otherwise each read would refresh. */
const MIN_LIFETIME_S = 60;
/**
 * Lifetime of a token whose announced lifetime is zero or less. `REFRESH_FROM` of it makes one
 * refresh per minute.
 */
const LIFELESS_S = 80;

export type Decision = "fresh" | "refresh_soon" | "refresh_now" | "expired";

export interface Life {
  readonly expires_at: Instant | null;
  /**
   * When background refresh starts. Null if there is no refresh token, or the expiry is unknown.
   */
  readonly refresh_at: Instant | null;
  readonly lifetime_s: number | null;
}

/**
 * Returns how to serve a token at `now`:
 *
 * - `fresh`: serve it.
 * - `refresh_soon`: serve it and refresh in the background.
 * - `refresh_now`: within the skew. Wait for a refresh. If it fails, the token still works.
 * - `expired`: only a refreshed token works.
 */
export function decide(life: Life, now: Instant): Decision {
  if (life.expires_at === null) return "fresh";
  if (now >= life.expires_at) return "expired";
  if (now >= life.expires_at - skew_ms(life)) return "refresh_now";
  if (life.refresh_at !== null && now >= life.refresh_at) return "refresh_soon";
  return "fresh";
}

/** Reports whether a token stays valid for `duration_ms`. Returns true if the expiry is unknown. */
export function livesFor(life: Life, now: Instant, duration_ms: number): boolean {
  return life.expires_at === null || life.expires_at - now >= duration_ms;
}

/** Returns how long a fresh token of this kind is valid, in ms. Null if unknown. */
export function longest_ms(life: Life): number | null {
  return life.lifetime_s === null ? null : life.lifetime_s * 1000 - skew_ms(life);
}

function skew_ms(life: Life): number {
  return life.lifetime_s === null ? MAX_SKEW_MS : Math.min(MAX_SKEW_MS, life.lifetime_s * 1000 * SKEW_SHARE);
}

/**
 * Returns `expires_in` as seconds, or null if it is not a number. Rounds down, caps absurd values,
 * and raises values of zero or less (F38).
 */
export function parseExpiresIn(value: unknown): number | null {
  const seconds = typeof value === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : value;
  if (typeof seconds !== "number" || Number.isNaN(seconds)) return null;
  if (seconds <= 0) return LIFELESS_S;
  return Math.min(MAX_LIFETIME_S, Math.max(MIN_LIFETIME_S, Math.floor(seconds)));
}

/**
 * Returns the life of a token received at `received_at`.
 *
 * @param announced_s `expires_in` of the response, parsed
 * @param last_s      lifetime of this connection's previous token, more reliable than the catalog's
 * @param default_s   lifetime in the catalog. Null if unknown
 * @param spread      0..1 by connection, so that tokens issued together are not refreshed together
 */
export function lifeOf(
  received_at: Instant,
  lifetimes: { announced_s: number | null; last_s: number | null; default_s: number | null },
  spread: number,
): Life {
  const lifetime_s = lifetimes.announced_s ?? lifetimes.last_s ?? lifetimes.default_s;
  if (lifetime_s === null) return { expires_at: null, refresh_at: null, lifetime_s: null };
  const share = REFRESH_FROM + (REFRESH_TO - REFRESH_FROM) * spread;
  return {
    expires_at: plus(received_at, lifetime_s * 1000),
    refresh_at: instant(Math.floor(received_at + lifetime_s * 1000 * share)),
    lifetime_s,
  };
}

/**
 * Returns a stable number in 0..1 for an id, so that a connection always refreshes at the same
 * share.
 */
export function spreadOf(id: string): number {
  let hash = 0;
  for (let index = 0; index < id.length; index += 1) hash = (hash * 31 + id.charCodeAt(index)) >>> 0;
  return (hash % 1000) / 1000;
}
