/**
 * When a scheduled automation runs: pure arithmetic over its fields. Times are UTC unless the
 * automation names a time zone, and dates can carry an offset. Knows no store and no function.
 *
 * Croner computes all times of day. A simple schedule is a cron expression and a filter, such as
 * "at 9:00, every third day". Minutes and hours count from an anchor instead, because 7 minutes do
 * not divide an hour.
 */
import { Cron } from "croner";
import type { FieldError } from "../../core/errors.ts";
import { instant, isJsonObject, plus, type Instant } from "../../core/types.ts";

interface Common {
  readonly name: string;
  readonly is_active?: boolean;
  readonly function_args?: unknown;
  readonly timezone?: string | null;
}

interface Ends {
  readonly ends_type?: string;
  readonly ends_on_date?: string | null;
  readonly ends_after_count?: number | null;
}

export interface OneTime extends Common {
  readonly type: "scheduled";
  readonly schedule_mode: "one-time";
  readonly one_time_date: string;
}

export interface CronSchedule extends Common, Ends {
  readonly type: "scheduled";
  readonly schedule_mode: "recurring";
  readonly schedule_type: "cron";
  readonly cron_expression: string;
}

export interface SimpleSchedule extends Common, Ends {
  readonly type: "scheduled";
  readonly schedule_mode: "recurring";
  readonly schedule_type: "simple";
  readonly repeat_unit: string;
  readonly repeat_interval?: number | null;
  readonly start_time?: string | null;
  readonly repeat_on_days?: readonly number[] | null;
  readonly repeat_on_day_of_month?: number | null;
}

/** A scheduled automation, as wire/automations.ts reads it. */
export type Schedule = OneTime | CronSchedule | SimpleSchedule;

/** What an automation means without these fields. The public command line writes them. */
const DEFAULTS = { is_active: true, ends_type: "never" };

/**
 * Returns a text that is equal for automations that mean the same: with or without the defaults,
 * and with fields in any order.
 */
export function meaningOf(...automations: readonly unknown[]): string {
  const fieldsOf = (one: unknown): unknown =>
    isJsonObject(one) ? Object.entries({ ...DEFAULTS, ...one }).toSorted(([a], [b]) => (a < b ? -1 : 1)) : one;
  return JSON.stringify(automations.map(fieldsOf));
}

/** A schedule with its starting point. */
export interface Scheduled {
  readonly schedule: Schedule;
  /** When it was deployed. Intervals of several days, weeks or months count from here. */
  readonly anchor: Instant;
  /** Runs so far. */
  readonly runs: number;
}

const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = { minutes: 60_000, hours: 3_600_000 };
/** The furthest step: 1,000 months, each with four candidate days. */
const MAX_CANDIDATES = 100_000;
/** Candidates that Croner computes at once. */
const BATCH = 32;
const DATE = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?<offset>Z|[+-]\d\d:?\d\d)?)?$/i;
const TIME_OF_DAY = /^(?:\d{4}-\d\d-\d\dT)?(?<hour>[01]?\d|2[0-3]):(?<minute>[0-5]\d)(?::[0-5]\d(?:\.\d+)?)?Z?$/;

/** Returns what is wrong with a schedule, each with the field below `path`. */
export function scheduleErrors(schedule: Schedule, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: string, message: string | null): void => {
    if (message !== null) errors.push({ name: `${path}/${field}`, message });
  };
  check("timezone", zoneError(schedule));
  if (errors.length > 0) return errors;
  if (schedule.schedule_mode === "one-time") {
    check("one_time_date", dateError(schedule.one_time_date, zoneOf(schedule)));
    return errors;
  }
  if (schedule.schedule_type === "cron") check("cron_expression", cronError(schedule));
  else check("start_time", timeError(schedule.start_time ?? null));
  const { ends_type, ends_on_date = null, ends_after_count = null } = schedule;
  if (ends_type === "on")
    check("ends_on_date", ends_on_date === null ? "is required" : dateError(ends_on_date, zoneOf(schedule)));
  if (ends_type === "after") check("ends_after_count", ends_after_count === null ? "is required" : null);
  return errors;
}

/** Returns the first time after `after` that the schedule runs, or null if there is none. */
export function nextRun({ schedule, anchor, runs }: Scheduled, after: Instant): Instant | null {
  if (schedule.is_active === false) return null;
  if (schedule.schedule_mode === "one-time") {
    const at = dateOf(schedule.one_time_date, zoneOf(schedule));
    return at !== null && at > after ? at : null;
  }
  const { ends_type, ends_after_count = null } = schedule;
  if (ends_type === "after" && ends_after_count !== null && runs >= ends_after_count) return null;
  const next =
    schedule.schedule_type === "cron" ? nextOf(cronOf(schedule), after) : nextSimple(schedule, anchor, after);
  const end = lastInstant(schedule);
  return next === null || (end !== null && next > end) ? null : next;
}

function zoneOf({ timezone }: Common): string {
  return timezone ?? "UTC";
}

function zoneError({ timezone = null }: Common): string | null {
  if (timezone === null) return null;
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: timezone }).format(0);
    return null;
  } catch {
    return "is not a time zone. Example: Europe/Berlin";
  }
}

function cronError(schedule: CronSchedule): string | null {
  // Croner also reads dates and @reboot.
  if (schedule.cron_expression.trim().split(/\s+/).length !== 5 && !schedule.cron_expression.startsWith("@"))
    return "must have five fields: minute, hour, day of month, month, day of week";
  try {
    return nextOf(cronOf(schedule), instant(0)) === null ? "never runs" : null;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : "";
    return `is not a cron expression. ${why}`.trim();
  }
}

function cronOf({ cron_expression, timezone }: Pick<CronSchedule, "cron_expression" | "timezone">): Cron {
  // With sloppy ranges, 5/10 is 5-59/10, as other libraries read it.
  return new Cron(cron_expression.trim(), { timezone: timezone ?? "UTC", mode: "5-part", sloppyRanges: true });
}

function nextOf(cron: Cron, after: Instant): Instant | null {
  const next = cron.nextRun(new Date(after));
  return next === null ? null : instant(next.getTime());
}

function timeError(start_time: string | null): string | null {
  return start_time === null || TIME_OF_DAY.test(start_time) ? null : "must be a time of day. Example: 09:30";
}

function dateError(text: string, zone: string): string | null {
  return dateOf(text, zone) === null ? "must be a date. Example: 2026-12-31T09:00:00Z" : null;
}

/** Returns the instant of an ISO 8601 date. Without an offset it is in `zone`. */
function dateOf(text: string, zone: string): Instant | null {
  const found = DATE.exec(text.trim());
  if (found === null) return null;
  const iso = text.trim().replace(" ", "T").toUpperCase();
  const has_offset = found.groups?.["offset"] !== undefined;
  const utc = Date.parse(has_offset ? iso : `${iso.includes("T") ? iso : `${iso}T00:00`}Z`);
  if (Number.isNaN(utc)) return null;
  // Date.parse turns February 30 into March 2.
  if (new Date(`${iso.slice(0, 10)}T00:00Z`).toISOString().slice(0, 10) !== iso.slice(0, 10)) return null;
  if (has_offset || zone === "UTC") return instant(utc);
  const local = new Cron(new Date(utc).toISOString().slice(0, 19), { timezone: zone }).nextRun(
    new Date(utc - 2 * DAY_MS),
  );
  return local === null ? null : instant(local.getTime());
}

/** Returns the last instant at which a schedule can run. A date without a time includes its day. */
function lastInstant(schedule: CronSchedule | SimpleSchedule): Instant | null {
  const { ends_type, ends_on_date = null } = schedule;
  if (ends_type !== "on" || ends_on_date === null) return null;
  const end = dateOf(ends_on_date, zoneOf(schedule));
  return end !== null && ends_on_date.trim().length === 10 ? plus(end, DAY_MS - 1) : end;
}

function nextSimple(schedule: SimpleSchedule, anchor: Instant, after: Instant): Instant | null {
  const { repeat_unit, repeat_interval } = schedule;
  const interval = repeat_interval ?? 1;
  const unit_ms = UNIT_MS[repeat_unit];
  if (unit_ms !== undefined) return nextStep(firstStart(schedule, anchor), interval * unit_ms, after);
  const zone = zoneOf(schedule);
  const origin = localDay(anchor, zone);
  const cron = cronOf({ cron_expression: patternOf(schedule, origin), timezone: zone });
  let from = after;
  for (let count = 0; count < MAX_CANDIDATES; count += BATCH) {
    const candidates = cron.nextRuns(BATCH, new Date(from)).map((date) => instant(date.getTime()));
    const next = candidates.find((at) => fits(schedule, interval, origin, localDay(at, zone)));
    if (next !== undefined) return next;
    const last = candidates.at(-1);
    if (last === undefined) return null;
    from = last;
  }
  return null;
}

/** Returns the first step after `after` from `start`, in either direction. */
function nextStep(start: Instant, step_ms: number, after: Instant): Instant {
  const steps = Math.floor((after - start) / step_ms) + 1;
  return plus(start, Math.max(0, steps) * step_ms);
}

/** Minutes and hours count from the last start time before the deploy, by default midnight. */
function firstStart(schedule: SimpleSchedule, anchor: Instant): Instant {
  const { hour, minute } = timeOf(schedule.start_time ?? null);
  const cron = cronOf({ cron_expression: `${minute} ${hour} * * *`, timezone: schedule.timezone ?? null });
  return nextOf(cron, plus(anchor, -DAY_MS)) ?? anchor;
}

function timeOf(start_time: string | null): { readonly hour: number; readonly minute: number } {
  const groups = start_time === null ? undefined : TIME_OF_DAY.exec(start_time)?.groups;
  return { hour: Number(groups?.["hour"] ?? 0), minute: Number(groups?.["minute"] ?? 0) };
}

interface LocalDay {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  /** Days since 1970-01-01, which was a Thursday. */
  readonly number: number;
}

/** Returns the calendar day of an instant in a time zone. */
function localDay(at: Instant, zone: string): LocalDay {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    year: "numeric",
    month: "numeric",
    day: "numeric",
    calendar: "gregory",
  }).formatToParts(at);
  const numberOf = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const [year, month, day] = [numberOf("year"), numberOf("month"), numberOf("day")];
  return { year, month, day, number: Date.UTC(year, month - 1, day) / DAY_MS };
}

/** Returns the cron expression of all days on which a simple schedule could run. */
function patternOf(schedule: SimpleSchedule, origin: LocalDay): string {
  const { hour, minute } = timeOf(schedule.start_time ?? null);
  const at = `${minute} ${hour}`;
  if (schedule.repeat_unit === "weeks") {
    const days = schedule.repeat_on_days ?? [];
    return `${at} * * ${days.length === 0 ? weekday(origin) : days.join(",")}`;
  }
  if (schedule.repeat_unit === "months") {
    const day = schedule.repeat_on_day_of_month ?? origin.day;
    return `${at} ${day > 28 ? `28-${day}` : day} * *`;
  }
  return `${at} * * *`;
}

const weekday = ({ number }: LocalDay): number => (number + 4) % 7;
/** Counts weeks that begin on Sunday. */
const weekOf = ({ number }: LocalDay): number => Math.floor((number + 4) / 7);

/**
 * Reports whether the interval reaches this day. In a short month, its last day stands for a later
 * one.
 */
function fits(schedule: SimpleSchedule, interval: number, origin: LocalDay, day: LocalDay): boolean {
  if (schedule.repeat_unit === "days") return (day.number - origin.number) % interval === 0;
  if (schedule.repeat_unit === "weeks") return (weekOf(day) - weekOf(origin)) % interval === 0;
  const months = (day.year - origin.year) * 12 + day.month - origin.month;
  const last = new Date(Date.UTC(day.year, day.month, 0)).getUTCDate();
  return months % interval === 0 && day.day === Math.min(schedule.repeat_on_day_of_month ?? origin.day, last);
}

/** Reports whether an automation runs on a schedule. Others are only stored. */
export function isSchedule(automation: unknown): automation is Schedule {
  if (!isJsonObject(automation) || automation["type"] !== "scheduled") return false;
  const { name, schedule_mode, schedule_type, one_time_date, cron_expression, repeat_unit } = automation;
  if (typeof name !== "string") return false;
  if (schedule_mode === "one-time") return typeof one_time_date === "string";
  if (schedule_mode !== "recurring") return false;
  return schedule_type === "cron"
    ? typeof cron_expression === "string"
    : schedule_type === "simple" && typeof repeat_unit === "string";
}
