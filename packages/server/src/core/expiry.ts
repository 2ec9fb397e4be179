/**
 * Expiry arithmetic: when a token counts as fresh, when it is refreshed behind the reader's back, when a reader waits,
 * and what to make of `expires_in` (RFC 6749 §5.1 wants seconds as a number; vendors send texts, nulls and nonsense).
 *
 * Pure functions over Instants. `null` as `expires_at` means: no end is known, use it until the API refuses it.
 */
import { instant, plus, type Instant } from "./types.ts";

/** No caller may be handed a token that dies in its hand: it is treated as over this long before it is. */
const MAX_SKEW_MS = 5 * 60_000;
const SKEW_SHARE = 0.1;
/** Background refresh falls between these shares of the token's life, spread per connection. */
const REFRESH_FROM = 0.75;
const REFRESH_TO = 0.9;
/** Ten years. A vendor that says more means "never" or is wrong; either way arithmetic must not overflow. */
const MAX_LIFETIME_S = 315_360_000;
/** Whatever is announced, a token is not taken for dead before this, or each read would refresh. */
const MIN_LIFETIME_S = 60;
/** What is announced to have no life at all is refreshed once a minute: at `REFRESH_FROM` of this. */
const LIFELESS_S = 80;

export type Decision = "fresh" | "refresh_soon" | "refresh_now" | "over";

export interface Life {
  readonly expires_at: Instant | null;
  /** When background refresh begins; null when there is nothing to refresh with or no end is known. */
  readonly refresh_at: Instant | null;
  readonly lifetime_s: number | null;
}

/**
 * - `fresh`: serve.
 * - `refresh_soon`: serve, and refresh behind it.
 * - `refresh_now`: inside the skew; wait for the refresh, but the token still works if that fails.
 * - `over`: dead; only a refreshed token helps.
 */
export function decide(life: Life, now: Instant): Decision {
  if (life.expires_at === null) return "fresh";
  if (now >= life.expires_at) return "over";
  if (now >= life.expires_at - skew_ms(life)) return "refresh_now";
  if (life.refresh_at !== null && now >= life.refresh_at) return "refresh_soon";
  return "fresh";
}

/** Whether a token has `duration_ms` left. One without a known end counts as having it: nobody can say otherwise. */
export function livesFor(life: Life, now: Instant, duration_ms: number): boolean {
  return life.expires_at === null || life.expires_at - now >= duration_ms;
}

/** The most that can be asked of a fresh token of this kind; null = unknown. */
export function longest_ms(life: Life): number | null {
  return life.lifetime_s === null ? null : life.lifetime_s * 1000 - skew_ms(life);
}

function skew_ms(life: Life): number {
  return life.lifetime_s === null ? MAX_SKEW_MS : Math.min(MAX_SKEW_MS, life.lifetime_s * 1000 * SKEW_SHARE);
}

/** Seconds, or null when the value says nothing. Floors fractions, clamps the absurd, lifts zero and less (F38). */
export function parseExpiresIn(value: unknown): number | null {
  const seconds = typeof value === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : value;
  if (typeof seconds !== "number" || Number.isNaN(seconds)) return null;
  if (seconds <= 0) return LIFELESS_S;
  return Math.min(MAX_LIFETIME_S, Math.max(MIN_LIFETIME_S, Math.floor(seconds)));
}

/**
 * The life of a token received at `received_at`.
 *
 * @param announced_s what the answer said, already parsed
 * @param last_s      the lifetime of this connection's previous token, which beats the catalog's guess
 * @param default_s   what the catalog says; null = unknown
 * @param spread      0..1, per connection, so that tokens issued together are not refreshed together
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

/** A steady number in 0..1 from an id: the same connection always refreshes at the same share of its token's life. */
export function spreadOf(id: string): number {
  let hash = 0;
  for (let index = 0; index < id.length; index += 1) hash = (hash * 31 + id.charCodeAt(index)) >>> 0;
  return (hash % 1000) / 1000;
}
