/** When a failed refresh is tried again. Pure; randomness comes in as a number in 0..1. */
import type { Limits } from "../../config.ts";
import { backoff_ms } from "../../core/backoff.ts";
import type { RotationClass } from "../../providers/provider.ts";
import type { FailClass } from "../../store/tables.ts";

/** After a request whose outcome is unknown: soon at first, to be inside any grace window of the provider. */
const UNKNOWN_STEPS_MS: Readonly<Record<RotationClass, readonly number[]>> = {
  none: [1_000, 3_000, 10_000],
  grace: [1_000, 3_000, 10_000],
  // The request may still be on its way, and the second of two at once is the reuse that revokes the grant.
  strict: [10_000],
};
/** A refused OAuth client needs a person; asking more often than this only fills the provider's log. */
const MISCONFIGURED_FLOOR_MS = 60_000;
/** A reader may not press on a single-use token whose last request may have been carried out. */
const READER_STRICT_UNKNOWN_MS = 10_000;

export interface FailedAttempt {
  readonly fail_class: FailClass;
  readonly rotation: RotationClass;
  /** Failures in a row before this one. */
  readonly failures: number;
  readonly retry_after_ms: number | null;
}

export function nextAttempt_ms(
  { fail_class, rotation, failures, retry_after_ms }: FailedAttempt,
  limits: Limits,
  random: number,
): number {
  if (retry_after_ms !== null) return Math.min(retry_after_ms, limits.retry_after_cap_ms);
  const step = fail_class === "unknown" ? UNKNOWN_STEPS_MS[rotation][failures] : undefined;
  if (step !== undefined) return step;
  const wait_ms = backoff_ms(failures, limits, random);
  return fail_class === "misconfigured" ? Math.max(MISCONFIGURED_FLOOR_MS, wait_ms) : wait_ms;
}

/** How long after the last attempt a waiting reader may cause another one. */
export function readerRetry_ms(rotation: RotationClass, fail_class: FailClass | null, limits: Limits): number {
  return rotation === "strict" && fail_class === "unknown" ? READER_STRICT_UNKNOWN_MS : limits.reader_retry_ms;
}
