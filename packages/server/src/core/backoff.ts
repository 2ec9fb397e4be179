/** Exponential backoff with full jitter: a random share of a doubled base, so that retries of one failure spread out. */

export interface Backoff {
  readonly backoff_base_ms: number;
  readonly backoff_cap_ms: number;
}

/** Returns the wait before the next attempt. `failures`: in a row so far. `random`: in 0..1. */
export function backoff_ms(failures: number, { backoff_base_ms, backoff_cap_ms }: Backoff, random: number): number {
  const ceiling = Math.min(backoff_cap_ms, backoff_base_ms * 2 ** Math.min(failures, 30));
  return Math.max(backoff_base_ms / 2, Math.floor(ceiling * random));
}
