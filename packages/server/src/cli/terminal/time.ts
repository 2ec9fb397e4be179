/** Parses times as users type them. */
import { CodedError } from "../../core/errors.ts";
import { instant, type Instant } from "../../core/types.ts";

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * Reads RFC 3339, ms since the epoch, or how long ago: `30m`, `2h`, `7d`.
 *
 * @throws CodedError `usage`
 */
export function timeOf(flag: string, text: string, now: number): Instant {
  const ago = /^(?<count>\d{1,6})(?<unit>[smhdw])$/.exec(text)?.groups;
  if (ago !== undefined) return instant(now - Number(ago["count"]) * (UNIT_MS[ago["unit"] ?? ""] ?? 0));
  const ms = /^\d{10,15}$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return instant(ms);
  const message = `${flag} takes a time such as 2026-11-23T12:00:00Z, or how long ago: 30m, 2h, 7d.`;
  throw new CodedError("usage", { message });
}
