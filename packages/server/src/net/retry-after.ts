/** The Retry-After header of HTTP (RFC 9110 §10.2.3). */
import type { Limits } from "../core/limits.ts";
import type { Instant } from "../core/types.ts";

const JUNK_RETRY_AFTER_MS = 30_000;
const LEAST_RETRY_AFTER_MS = 1_000;
/** RFC 9110 §5.6.7, the form that senders must use. */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Returns the wait in ms, from seconds or a date. Null without the header. At least one second.
 * Thirty seconds if the value is malformed.
 */
export function parseRetryAfter(
  header: string | undefined,
  now: Instant,
  limits: Pick<Limits, "retry_after_cap_ms">,
): number | null {
  if (header === undefined) return null;
  const text = header.trim();
  const date_ms = HTTP_DATE.test(text) ? Date.parse(text) : Number.NaN;
  const wait_ms = /^\d+$/.test(text) ? Number(text) * 1000 : date_ms - now;
  if (Number.isNaN(wait_ms)) return JUNK_RETRY_AFTER_MS;
  return Math.min(limits.retry_after_cap_ms, Math.max(LEAST_RETRY_AFTER_MS, wait_ms));
}
