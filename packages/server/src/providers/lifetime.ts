/**
 * The life of refresh tokens: when one will end, as far as anybody knows, and how often it must be used to live on.
 *
 * Pure; lifetimes in seconds as vendors state them, instants in ms. An end that is known lets a person be warned before
 * the connection breaks; a refresh token that dies of disuse can be kept alive.
 */
import { plus, type Instant } from "../core/types.ts";
import type { Provider } from "./provider.ts";

export interface RefreshAnswer {
  readonly received_at: Instant;
  /** Life of the refresh token as the answer states it; null = it does not. */
  readonly announced_s: number | null;
}

/**
 * When the refresh token in use after this answer will end; null = no known end.
 *
 * @param before the end that was known before this answer; null at the consent
 */
export function refreshTokenEnd(
  { lifetime }: Provider,
  { received_at, announced_s }: RefreshAnswer,
  before: Instant | null,
): Instant | null {
  if (announced_s !== null) return plus(received_at, announced_s * 1000);
  const { refresh_idle_s, refresh_absolute_s } = lifetime;
  if (refresh_idle_s !== null) return plus(received_at, refresh_idle_s * 1000);
  if (refresh_absolute_s === null) return null;
  return before ?? plus(received_at, refresh_absolute_s * 1000);
}

/** A refresh token must be used this often to stay alive; null = it does not die of disuse, or there is none. */
export function keepAliveInterval_ms({ lifetime }: Provider): number | null {
  const { refresh, refresh_idle_s } = lifetime;
  if (refresh_idle_s === null || refresh.kind === "none" || refresh.kind === "remint") return null;
  // A third, so that two more tries fit in before the end.
  return Math.floor((refresh_idle_s * 1000) / 3);
}
