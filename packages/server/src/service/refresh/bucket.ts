/**
 * How much one OAuth client may ask of one provider: a token bucket, a cap on requests in flight, a pause that the provider
 * asked for (RFC 9110 §10.2.3) and a circuit breaker. A value and pure functions over it; `now` is a monotonic clock's
 * milliseconds and never decreases. Knows no connection, no queue and no timer.
 *
 * Two kinds of callers: somebody waits for a `reader`, nobody for `background`, which leaves a share of everything unused.
 */
import type { Limits } from "../../config.ts";
import type { TokenOutcome } from "../../oauth/outcome.ts";

export type Caller = "reader" | "background";

/** Whose fault it is that nothing can be had: the provider's, which is down, or the client's, which it refuses. */
export type StopCause = "provider" | "client";

export interface Bucket {
  /** Requests that may be sent at once, as of `refilled_at`. */
  level: number;
  refilled_at: number;
  in_flight: number;
  /** The provider asked for silence until then. */
  paused_until: number;
  /** Null while refreshing works; else why it does not, and when each kind of caller may probe next. */
  open: ({ readonly cause: StopCause } & Record<Caller, number>) | null;
  /** What became of the requests of the last `breaker_window_ms`. */
  results: readonly { readonly at: number; readonly failed: boolean }[];
}

export type Obstacle =
  /** Sending is useless or unwelcome: waiting in line would not help. */
  | { readonly kind: "stopped"; readonly cause: StopCause; readonly wait_ms: number }
  /** Others are being served; null = until one of them is done. */
  | { readonly kind: "full"; readonly wait_ms: number | null };

/** Connections could not be made. Other failures without a request are ours: an unfit address, a process that slept. */
const UNREACHABLE: ReadonlySet<string> = new Set(["dns_failed", "connect_failed", "connect_timeout", "tls_failed"]);

export function createBucket(limits: Limits, now: number): Bucket {
  return { level: limits.provider_burst, refilled_at: now, in_flight: 0, paused_until: 0, open: null, results: [] };
}

/** What keeps `caller` from sending now; null = nothing. */
export function obstacle(bucket: Bucket, caller: Caller, now: number, limits: Limits): Obstacle | null {
  const stopped_ms = Math.max(bucket.paused_until, bucket.open?.[caller] ?? 0) - now;
  const cause = bucket.open?.cause ?? "provider";
  if (stopped_ms > 0) return { kind: "stopped", cause, wait_ms: Math.ceil(stopped_ms) };
  // Never all of it, whatever is configured: background work would stand still for ever.
  const left = (limit: number): number =>
    caller === "reader" ? 0 : Math.min(limit - 1, Math.floor((limit * limits.provider_reader_percent) / 100));
  if (bucket.in_flight >= limits.provider_concurrency - left(limits.provider_concurrency))
    return { kind: "full", wait_ms: null };
  const lacking = 1 + left(limits.provider_burst) - levelAt(bucket, now, limits);
  return lacking <= 0 ? null : { kind: "full", wait_ms: Math.ceil((lacking * 1_000) / limits.provider_requests_per_s) };
}

/** The caller sends. Only where there is no obstacle. */
export function take(bucket: Bucket, caller: Caller, now: number, limits: Limits): void {
  refill(bucket, now, limits);
  bucket.level -= 1;
  bucket.in_flight += 1;
  if (bucket.open !== null) bucket.open[caller] = now + probeEvery_ms(caller, limits);
}

/** The caller did not send after all. */
export function giveBack(bucket: Bucket, caller: Caller, now: number, limits: Limits): void {
  refill(bucket, now, limits);
  bucket.level = Math.min(limits.provider_burst, bucket.level + 1);
  bucket.in_flight -= 1;
  if (bucket.open !== null) bucket.open[caller] = now;
}

/** The request is over. @returns what changed for everybody else */
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
  // The same secret is refused for every connection of this client: asking on for each of them helps nobody (F43).
  if (outcome.kind === "misconfigured") {
    const known = bucket.open?.cause === "client";
    bucket.open = stopped("client", now, limits);
    return known ? null : "client_rejected";
  }
  if (bucket.open === null) return count(bucket, isFailure(outcome), now, limits) ? "opened" : null;
  // A refusal is a judgement of the token endpoint, too. Other 4xx may come from whatever stands in for a dead provider.
  if (outcome.kind === "unknown" || outcome.kind === "retry_later") return null;
  bucket.open = null;
  bucket.results = [];
  return "closed";
}

/** Nothing would be lost if this bucket were made anew. */
export function isIdle(bucket: Bucket, now: number, limits: Limits): boolean {
  const { in_flight, open, paused_until, results } = bucket;
  const quiet = results.every(({ at }) => at <= now - limits.breaker_window_ms);
  return in_flight === 0 && open === null && paused_until <= now && quiet && isFull(bucket, now, limits);
}

/** @returns whether the breaker opens by this result */
function count(bucket: Bucket, failed: boolean, now: number, limits: Limits): boolean {
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
    reader: now + probeEvery_ms("reader", limits),
    background: now + probeEvery_ms("background", limits),
  };
}

function isFailure(outcome: TokenOutcome): boolean {
  if (outcome.kind === "unknown") return true;
  return outcome.kind === "retry_later" && !outcome.sent && UNREACHABLE.has(outcome.error);
}

function probeEvery_ms(caller: Caller, limits: Limits): number {
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
