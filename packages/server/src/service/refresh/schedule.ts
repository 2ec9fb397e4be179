/** Decides when a failed refresh is retried. Pure: randomness is passed in as a number in 0..1. */
import type { Limits } from "../../core/limits.ts";
import { backoff_ms } from "../../core/backoff.ts";
import type { RotationClass } from "../../providers/provider.ts";
import type { FailClass } from "../../store/tables.ts";

/**
 * First waits after a request whose outcome is unknown. Short, to stay within any grace period of
 * the provider.
 */
const UNKNOWN_STEPS_MS: Readonly<Record<RotationClass, readonly number[]>> = {
  none: [1_000, 3_000, 10_000],
  grace: [1_000, 3_000, 10_000],
  // The first request may still be on its way. Two at once are the reuse that revokes the grant.
  strict: [10_000],
};
/**
 * The longest wait within a grace period, as a share of the remaining time. A longer wait could
 * outlast the period and lose the connection, although the provider was reachable again in time.
 */
const GRACE_SHARE = 0.05;
/** This cap never falls below the last of the first waits, however little time remains. */
const GRACE_FLOOR_MS = 10_000;
/** A rejected OAuth client needs the operator. More requests would only fill the provider's log. */
const MISCONFIGURED_FLOOR_MS = 60_000;
/** How long a reader cannot resend a single-use token whose last request may have succeeded. */
const READER_STRICT_UNKNOWN_MS = 10_000;

export interface FailedAttempt {
  readonly fail_class: FailClass;
  readonly rotation: RotationClass;
  /** Failures in a row before this one. */
  readonly failures: number;
  readonly retry_after_ms: number | null;
  /** For how long the provider still accepts a token that an earlier request may have used. */
  readonly grace_left_ms: number;
}

/** Returns the wait before the next attempt. `random`: in 0..1. */
export function nextAttempt_ms(
  { fail_class, rotation, failures, retry_after_ms, grace_left_ms }: FailedAttempt,
  limits: Limits,
  random: number,
): number {
  if (retry_after_ms !== null) return Math.min(retry_after_ms, limits.retry_after_cap_ms);
  const step = fail_class === "unknown" ? UNKNOWN_STEPS_MS[rotation][failures] : undefined;
  if (step !== undefined) return step;
  const wait_ms = backoff_ms(failures, limits, random);
  if (fail_class === "misconfigured") return Math.max(MISCONFIGURED_FLOOR_MS, wait_ms);
  return grace_left_ms > 0 ? Math.min(wait_ms, Math.max(GRACE_FLOOR_MS, grace_left_ms * GRACE_SHARE)) : wait_ms;
}

/** Returns how long after the last attempt a waiting reader can cause another one. */
export function readerRetry_ms(rotation: RotationClass, fail_class: FailClass | null, limits: Limits): number {
  return rotation === "strict" && fail_class === "unknown" ? READER_STRICT_UNKNOWN_MS : limits.reader_retry_ms;
}
