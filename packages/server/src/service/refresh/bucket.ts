/**
 * Limits the requests of one OAuth client to one provider, by four rules: a token bucket, a cap on
 * requests in flight, a pause that the provider requested, and a circuit breaker. The pause is a
 * Retry-After (RFC 9110 §10.2.3). A value and functions over it. Knows no connection, no line and
 * no timer.
 *
 * `now` is the monotonic clock in milliseconds. A `reader` waits for the token. `background` work
 * has no reader, and leaves a share of each limit to readers.
 */
import type { Limits } from "../../core/limits.ts";
import type { TokenOutcome } from "../../oauth/outcome.ts";

export type Caller = "reader" | "background";

/** Why refreshing stopped: the provider is down, or it rejects the OAuth client. */
export type StopCause = "provider" | "client";

export interface Bucket {
  /** Requests that can be sent at once, as of `refilled_at`. */
  level: number;
  refilled_at: number;
  in_flight: number;
  /** The provider requested a pause until then. */
  paused_until: number;
  /** Null while refreshing works. Else the cause, and when each kind of caller can probe next. */
  open: ({ readonly cause: StopCause } & Record<Caller, number>) | null;
  /** Outcomes of the requests of the last `breaker_window_ms`. */
  results: readonly { readonly at: number; readonly failed: boolean }[];
}

export type Obstacle =
  /** Sending would fail or is unwelcome. Waiting in line does not help. */
  | { readonly kind: "stopped"; readonly cause: StopCause; readonly wait_ms: number }
  /** Other callers are being served. `wait_ms` is null if a request has to end first. */
  | { readonly kind: "full"; readonly wait_ms: number | null };

/**
 * No connection to the provider. Other errors before a request have local causes, such as a
 * forbidden address or a process that was paused.
 */
const UNREACHABLE: ReadonlySet<string> = new Set(["dns_failed", "connect_failed", "connect_timeout", "tls_failed"]);

export function createBucket(limits: Limits, now: number): Bucket {
  return { level: limits.provider_burst, refilled_at: now, in_flight: 0, paused_until: 0, open: null, results: [] };
}

/** Returns the obstacle that keeps `caller` from sending now, or null. */
export function obstacle(bucket: Bucket, caller: Caller, now: number, limits: Limits): Obstacle | null {
  const stopped_ms = Math.max(bucket.paused_until, bucket.open?.[caller] ?? 0) - now;
  const cause = bucket.open?.cause ?? "provider";
  if (stopped_ms > 0) return { kind: "stopped", cause, wait_ms: Math.ceil(stopped_ms) };
  const slots = limits.provider_concurrency - readersShare(caller, limits.provider_concurrency, limits);
  if (bucket.in_flight >= slots) return { kind: "full", wait_ms: null };
  const lacking = 1 + readersShare(caller, limits.provider_burst, limits) - levelAt(bucket, now, limits);
  return lacking <= 0 ? null : { kind: "full", wait_ms: Math.ceil((lacking * 1_000) / limits.provider_requests_per_s) };
}

/**
 * Returns the part of `limit` that `caller` leaves to readers. Never all of it, because background
 * work would then never run.
 */
function readersShare(caller: Caller, limit: number, { provider_reader_percent }: Limits): number {
  return caller === "reader" ? 0 : Math.min(limit - 1, Math.floor((limit * provider_reader_percent) / 100));
}

/** Counts a request that is about to be sent. Call it only if there is no obstacle. */
export function acquire(bucket: Bucket, caller: Caller, now: number, limits: Limits): void {
  refill(bucket, now, limits);
  bucket.level -= 1;
  bucket.in_flight += 1;
  if (bucket.open !== null) bucket.open[caller] = now + probeInterval_ms(caller, limits);
}

/** Undoes `acquire`, because nothing was sent. */
export function giveBack(bucket: Bucket, caller: Caller, now: number, limits: Limits): void {
  refill(bucket, now, limits);
  bucket.level = Math.min(limits.provider_burst, bucket.level + 1);
  bucket.in_flight -= 1;
  if (bucket.open !== null) bucket.open[caller] = now;
}

/** Counts the outcome of a request. Returns the change for all callers, or null. */
export function finish(
  bucket: Bucket,
  outcome: TokenOutcome,
  now: number,
  limits: Limits,
): "paused" | "opened" | "client_rejected" | "closed" | null {
  bucket.in_flight -= 1;
  if (outcome.kind === "retry_later" && outcome.retry_after_ms !== null) {
    bucket.paused_until = Math.max(bucket.paused_until, now + outcome.retry_after_ms);
    return "paused";
  }
  // The provider rejects the same secret for every connection of this client (F43).
  if (outcome.kind === "misconfigured") {
    const is_known = bucket.open?.cause === "client";
    bucket.open = stopped("client", now, limits);
    return is_known ? null : "client_rejected";
  }
  if (bucket.open === null) return opensBreaker(bucket, isFailure(outcome), now, limits) ? "opened" : null;
  // A refusal proves that the token endpoint works. Other 4xx can come from a proxy in front of it.
  if (outcome.kind === "unknown" || outcome.kind === "retry_later") return null;
  bucket.open = null;
  bucket.results = [];
  return "closed";
}

/** Reports whether the bucket equals a new one, so that it can be dropped. */
export function isIdle(bucket: Bucket, now: number, limits: Limits): boolean {
  const { in_flight, open, paused_until, results } = bucket;
  const is_quiet = results.every(({ at }) => at <= now - limits.breaker_window_ms);
  return in_flight === 0 && open === null && paused_until <= now && is_quiet && isFull(bucket, now, limits);
}

/** Records a result. Opens the breaker if too many failed, and reports whether it did. */
function opensBreaker(bucket: Bucket, failed: boolean, now: number, limits: Limits): boolean {
  const recent = bucket.results.filter(({ at }) => at > now - limits.breaker_window_ms);
  bucket.results = [...recent, { at: now, failed }];
  const failures = bucket.results.filter((result) => result.failed).length;
  if (bucket.results.length < limits.breaker_requests) return false;
  if (failures * 100 < bucket.results.length * limits.breaker_failed_percent) return false;
  bucket.open = stopped("provider", now, limits);
  return true;
}

function stopped(cause: StopCause, now: number, limits: Limits): NonNullable<Bucket["open"]> {
  return {
    cause,
    reader: now + probeInterval_ms("reader", limits),
    background: now + probeInterval_ms("background", limits),
  };
}

function isFailure(outcome: TokenOutcome): boolean {
  if (outcome.kind === "unknown") return true;
  return outcome.kind === "retry_later" && !outcome.sent && UNREACHABLE.has(outcome.error);
}

function probeInterval_ms(caller: Caller, limits: Limits): number {
  return caller === "reader" ? limits.breaker_reader_ms : limits.breaker_probe_ms;
}

function isFull(bucket: Bucket, now: number, limits: Limits): boolean {
  return levelAt(bucket, now, limits) >= limits.provider_burst;
}

function levelAt({ level, refilled_at }: Bucket, now: number, limits: Limits): number {
  return Math.min(limits.provider_burst, level + ((now - refilled_at) * limits.provider_requests_per_s) / 1_000);
}

function refill(bucket: Bucket, now: number, limits: Limits): void {
  bucket.level = levelAt(bucket, now, limits);
  bucket.refilled_at = now;
}
