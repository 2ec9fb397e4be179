/** Values of a query string that several routes read. */
import { CodedError } from "../core/errors.ts";
import { instant, type Instant } from "../core/types.ts";

/**
 * Reads a time: ms since the epoch, or RFC 3339 (`2026-11-23T12:00:00Z`).
 *
 * @throws CodedError `invalid_field`
 */
export function instantOf(name: string, text: string | undefined): Instant | null {
  if (text === undefined) return null;
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw invalid(name, "a time as 2026-11-23T12:00:00Z, or milliseconds since 1970");
  return instant(ms);
}

/** Reads a whole number from 1 to `most`. @throws CodedError `invalid_field` */
export function countOf(name: string, text: string | undefined, most: number): number {
  if (text === undefined) return most;
  if (/^[1-9]\d{0,6}$/.test(text) && Number(text) <= most) return Number(text);
  throw invalid(name, `a whole number from 1 to ${most}`);
}

const invalid = (name: string, message: string): CodedError =>
  new CodedError("invalid_field", { errors: [{ name, message }] });
