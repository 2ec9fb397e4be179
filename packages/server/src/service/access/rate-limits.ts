/**
 * Limits on tries, counted in the database for all nodes together: codes on the device page, and
 * passwords. Only for rare, slow actions. http/rate-limit.ts counts all requests, in memory.
 *
 * Counts a try first, and uncounts it if it was right. So parallel tries cannot exceed the limit
 * while their outcomes are unknown. Windows are fixed: around the end of one, twice the limit can
 * pass.
 *
 * Errors: CodedError `rate_limited`, with the time left.
 */
import { CodedError } from "../../core/errors.ts";
import { sha256Hex } from "../../core/secret.ts";
import type { Instant } from "../../core/types.ts";
import type { Ground } from "../ground.ts";

export interface Rule {
  /** The action and the client, such as `device:address:192.0.2.1`. Stored as SHA-256 only. */
  readonly key: string;
  /** Tries in a window. */
  readonly limit: number;
  readonly window_ms: number;
}

export interface RateLimits {
  /**
   * Runs `action` if all rules allow it, checked in this order. Null and exceptions are wrong
   * tries, which stay counted.
   *
   * @throws CodedError `rate_limited` without running it
   */
  attempt<T>(rules: readonly Rule[], action: () => Promise<T | null>): Promise<T | null>;
}

type RateLimitsDeps = Pick<Ground, "store" | "clock">;

interface CountedTry {
  readonly key: string;
  readonly ends_at: Instant;
}

export function createRateLimits(deps: RateLimitsDeps): RateLimits {
  return { attempt: (rules, action) => attempt(deps, rules, action) };
}

async function attempt<T>(
  deps: RateLimitsDeps,
  rules: readonly Rule[],
  action: () => Promise<T | null>,
): Promise<T | null> {
  const tries = await count(deps, rules);
  const value = await action();
  if (value !== null) await uncount(deps, tries);
  return value;
}

async function count(deps: RateLimitsDeps, rules: readonly Rule[]): Promise<readonly CountedTry[]> {
  const { store, clock } = deps;
  const tries: CountedTry[] = [];
  for (const rule of rules) {
    const key = sha256Hex(rule.key);
    const window = await store.countInWindow(key, rule.window_ms);
    if (window.count > rule.limit) {
      // A refused client must not use up the limits that it shares with others.
      await uncount(deps, tries);
      throw new CodedError("rate_limited", { retry_after_s: secondsUntil(window.ends_at, clock.now()) });
    }
    tries.push({ key, ends_at: window.ends_at });
  }
  return tries;
}

async function uncount({ store }: RateLimitsDeps, tries: readonly CountedTry[]): Promise<void> {
  for (const { key, ends_at } of tries) await store.uncountInWindow(key, ends_at);
}

export function secondsUntil(at: Instant, now: Instant): number {
  return Math.max(1, Math.ceil((at - now) / 1_000));
}
