/**
 * Tries that are counted in the database, so that several nodes share them: codes of the device page, passwords. For few and
 * slow things only; what every request goes through is counted in memory (http/rate-limit.ts).
 *
 * A try is counted before it is made and taken back when it was right, so that many at once do not get past the limit while
 * none of them is decided yet. Windows are fixed: within any stretch as long as one, twice the limit is possible at the most.
 *
 * Errors: ApiError `rate_limited` with the time left.
 */
import { ApiError } from "../../core/errors.ts";
import { sha256Hex } from "../../core/secret.ts";
import type { Instant } from "../../core/types.ts";
import type { Ground } from "../ground.ts";

export interface Rule {
  /** What is limited and for whom, such as `device:address:192.0.2.1`. Stored as SHA-256 only. */
  readonly key: string;
  /** Tries in a window. */
  readonly limit: number;
  readonly window_ms: number;
}

export interface RateLimits {
  /**
   * Makes one try under all of these rules, asked in this order. `null` and exceptions are wrong tries, which stay counted.
   *
   * @throws ApiError `rate_limited` without having tried
   */
  attempt<T>(rules: readonly Rule[], action: () => Promise<T | null>): Promise<T | null>;
}

interface Counted {
  readonly key: string;
  readonly ends_at: Instant;
}

export function createRateLimits({ store, clock }: Pick<Ground, "store" | "clock">): RateLimits {
  async function takeBack(counted: readonly Counted[]): Promise<void> {
    for (const { key, ends_at } of counted) await store.uncountInWindow(key, ends_at);
  }

  async function count(rules: readonly Rule[]): Promise<readonly Counted[]> {
    const counted: Counted[] = [];
    for (const rule of rules) {
      const key = sha256Hex(rule.key);
      const window = await store.countInWindow(key, rule.window_ms);
      if (window.count > rule.limit) {
        // Whoever may not try must not use up what the others share.
        await takeBack(counted);
        throw new ApiError("rate_limited", { retry_after_s: secondsUntil(window.ends_at, clock.now()) });
      }
      counted.push({ key, ends_at: window.ends_at });
    }
    return counted;
  }

  return {
    async attempt(rules, action) {
      const counted = await count(rules);
      const value = await action();
      if (value !== null) await takeBack(counted);
      return value;
    },
  };
}

export function secondsUntil(at: Instant, now: Instant): number {
  return Math.max(1, Math.ceil((at - now) / 1_000));
}
