/**
 * Exponential backoff with full jitter. The base doubles with each failure, and a random share of
 * it spreads out the retries of requests that failed together.
 */

export interface Backoff {
  readonly backoff_base_ms: number;
  readonly backoff_cap_ms: number;
}

/**
 * Returns the wait in ms before the next attempt, after `failures` in a row. `random` is in 0..1.
 */
export function backoff_ms(failures: number, { backoff_base_ms, backoff_cap_ms }: Backoff, random: number): number {
  const ceiling = Math.min(backoff_cap_ms, backoff_base_ms * 2 ** Math.min(failures, 30));
  return Math.max(backoff_base_ms / 2, Math.floor(ceiling * random));
}
