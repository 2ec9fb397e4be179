/**
 * The lifetime of refresh tokens: when one expires, if known, and how often it must be used to stay
 * valid.
 *
 * A known expiry lets the server warn the user before the connection breaks. A token that expires
 * when unused can be kept alive. Pure. Lifetimes are in seconds, instants in ms.
 */
import { plus, type Instant } from "../core/types.ts";
import type { Provider } from "./provider.ts";

export interface RefreshResponse {
  readonly received_at: Instant;
  /** Lifetime of the refresh token according to the response. Null if the response does not say. */
  readonly announced_s: number | null;
}

/**
 * Returns when the refresh token in use after this response expires. Null if unknown.
 *
 * @param previous the expiry known before this response. Null at the consent.
 */
export function refreshTokenExpiry(
  { lifetime }: Provider,
  { received_at, announced_s }: RefreshResponse,
  previous: Instant | null,
): Instant | null {
  if (announced_s !== null) return plus(received_at, announced_s * 1000);
  const { refresh_idle_s, refresh_absolute_s } = lifetime;
  if (refresh_idle_s !== null) return plus(received_at, refresh_idle_s * 1000);
  if (refresh_absolute_s === null) return null;
  return previous ?? plus(received_at, refresh_absolute_s * 1000);
}

/**
 * Returns how often a refresh token must be used to stay valid. Null if it does not expire when
 * unused or if there is none.
 */
export function keepAliveInterval_ms({ lifetime }: Provider): number | null {
  const { refresh, refresh_idle_s } = lifetime;
  if (refresh_idle_s === null || refresh.kind === "none" || refresh.kind === "remint") return null;
  // A third of the lifetime leaves room for two retries.
  return Math.floor((refresh_idle_s * 1000) / 3);
}
