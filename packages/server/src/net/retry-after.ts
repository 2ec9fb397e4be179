/** The Retry-After header of HTTP (RFC 9110 §10.2.3). */
import type { Limits } from "../config.ts";
import type { Instant } from "../core/types.ts";

const JUNK_RETRY_AFTER_MS = 30_000;
const LEAST_RETRY_AFTER_MS = 1_000;
/** RFC 9110 §5.6.7, the form that must be sent. */
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** RFC 9110 §10.2.3: seconds or a date; null without the header. The past is one second, nonsense is thirty. */
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
