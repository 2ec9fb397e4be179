import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instant } from "../../../src/core/types.ts";
import {
  isSchedule,
  nextRun,
  scheduleErrors,
  type CronSchedule,
  type OneTime,
  type Schedule,
  type SimpleSchedule,
} from "../../../src/service/functions/schedule.ts";

const at = (iso: string) => instant(Date.parse(iso));
const ANCHOR = at("2026-11-24T10:20:30Z");

const cron = (cron_expression: string, more: Partial<CronSchedule> = {}): CronSchedule => ({
  name: "a",
  type: "scheduled",
  schedule_mode: "recurring",
  schedule_type: "cron",
  cron_expression,
  ...more,
});
const simple = (repeat_unit: string, more: Partial<SimpleSchedule> = {}): SimpleSchedule => ({
  name: "a",
  type: "scheduled",
  schedule_mode: "recurring",
  schedule_type: "simple",
  repeat_unit,
  ...more,
});
const once = (one_time_date: string, more: Partial<OneTime> = {}): OneTime => ({
  name: "a",
  type: "scheduled",
  schedule_mode: "one-time",
  one_time_date,
  ...more,
});

/** Returns the next runs after the deploy. */
function runs(schedule: Schedule, count: number, after = ANCHOR): string[] {
  const times: string[] = [];
  let from = after;
  for (let run = 0; run < count; run += 1) {
    const next = nextRun({ schedule, anchor: ANCHOR, runs: run }, from);
    if (next === null) break;
    times.push(new Date(next).toISOString().replace(":00.000Z", ""));
    from = next;
  }
  return times;
}

describe("when a schedule runs", () => {
  it.each<[string, Schedule, string[]]>([
    ["every fifteen minutes", cron("*/15 * * * *"), ["2026-11-24T10:30", "2026-11-24T10:45", "2026-11-24T11:00"]],
    ["on weekdays at nine, UTC", cron("0 9 * * 1-5"), ["2026-11-25T09:00", "2026-11-26T09:00", "2026-11-27T09:00"]],
    ["on the 13th or a Friday", cron("0 0 13 * 5"), ["2026-11-27T00:00", "2026-12-04T00:00", "2026-12-11T00:00"]],
    [
      "from the fifth minute in steps",
      cron("5/20 * * * *"),
      ["2026-11-24T10:25", "2026-11-24T10:45", "2026-11-24T11:05"],
    ],
    ["at nine in Berlin", cron("0 9 * * *", { timezone: "Europe/Berlin" }), ["2026-11-25T08:00", "2026-11-26T08:00"]],
    ["@daily", cron("@daily"), ["2026-11-25T00:00", "2026-11-26T00:00"]],
    [
      "every seven minutes from midnight",
      simple("minutes", { repeat_interval: 7 }),
      ["2026-11-24T10:23", "2026-11-24T10:30"],
    ],
    [
      "every five hours from 09:30",
      simple("hours", { repeat_interval: 5, start_time: "09:30" }),
      ["2026-11-24T14:30", "2026-11-24T19:30", "2026-11-25T00:30"],
    ],
    ["every day at the start time", simple("days", { start_time: "09:00" }), ["2026-11-25T09:00", "2026-11-26T09:00"]],
    [
      "every third day from the deploy",
      simple("days", { repeat_interval: 3 }),
      ["2026-11-27T00:00", "2026-11-30T00:00"],
    ],
    [
      "on Mondays and Fridays",
      simple("weeks", { repeat_on_days: [1, 5], start_time: "10:00" }),
      ["2026-11-27T10:00", "2026-11-30T10:00", "2026-12-04T10:00"],
    ],
    [
      "on Mondays and Fridays of every second week",
      simple("weeks", { repeat_on_days: [1, 5], start_time: "10:00", repeat_interval: 2 }),
      ["2026-11-27T10:00", "2026-12-07T10:00", "2026-12-11T10:00"],
    ],
    ["every week on the day of the deploy", simple("weeks"), ["2026-12-01T00:00", "2026-12-08T00:00"]],
    [
      "on the 31st, or the last day of a shorter month",
      simple("months", { repeat_on_day_of_month: 31 }),
      ["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-31T00:00", "2027-02-28T00:00", "2027-03-31T00:00"],
    ],
    [
      "every third month on the 15th",
      simple("months", { repeat_on_day_of_month: 15, repeat_interval: 3 }),
      ["2027-02-15T00:00", "2027-05-15T00:00"],
    ],
    ["once", once("2026-12-01T09:00:00"), ["2026-12-01T09:00"]],
    ["once, with an offset", once("2026-12-01T09:00:00+02:00"), ["2026-12-01T07:00"]],
    ["once, in a time zone", once("2026-12-01T09:00:00", { timezone: "America/New_York" }), ["2026-12-01T14:00"]],
    ["once, in the past: never", once("2026-11-01T09:00:00Z"), []],
    ["while it is not active: never", cron("* * * * *", { is_active: false }), []],
    [
      "until a date, which includes that day",
      cron("0 9 * * *", { ends_type: "on", ends_on_date: "2026-11-26" }),
      ["2026-11-25T09:00", "2026-11-26T09:00"],
    ],
    ["until a time", cron("0 9 * * *", { ends_type: "on", ends_on_date: "2026-11-26T08:59:59" }), ["2026-11-25T09:00"]],
    ["twice", cron("0 9 * * *", { ends_type: "after", ends_after_count: 2 }), ["2026-11-25T09:00", "2026-11-26T09:00"]],
  ])("%s", (_name, schedule, expected) => {
    expect(scheduleErrors(schedule, "")).toEqual([]);
    expect(runs(schedule, Math.max(1, expected.length))).toEqual(expected);
  });

  it("ends after its last run", () => {
    expect(runs(cron("0 9 * * *", { ends_type: "after", ends_after_count: 2 }), 10)).toHaveLength(2);
    expect(runs(once("2026-12-01T09:00:00"), 10)).toHaveLength(1);
    expect(runs(cron("0 9 * * *", { ends_type: "on", ends_on_date: "2026-11-26" }), 10)).toHaveLength(2);
  });

  it("always moves forward, by at least the unit of a simple schedule", () => {
    const units = ["minutes", "hours", "days", "weeks", "months"];
    const shortest_ms = [60_000, 3_600_000, 82_800_000, 82_800_000, 28 * 82_800_000];
    fc.assert(
      fc.property(
        fc.nat({ max: 4 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 31 }),
        fc.integer({ min: 0, max: 400 * 86_400_000 }),
        fc.constantFrom("UTC", "Europe/Berlin", "Pacific/Auckland", "America/St_Johns"),
        (unit, repeat_interval, repeat_on_day_of_month, offset_ms, timezone) => {
          const more = { repeat_interval, repeat_on_day_of_month, timezone, start_time: "02:30" };
          const scheduled = { schedule: simple(units[unit]!, more), anchor: ANCHOR, runs: 0 };
          const first = nextRun(scheduled, instant(ANCHOR + offset_ms))!;
          const second = nextRun(scheduled, first)!;
          expect(first).toBeGreaterThan(ANCHOR + offset_ms);
          expect(second - first).toBeGreaterThanOrEqual(shortest_ms[unit]!);
        },
      ),
    );
  });
});

describe("a schedule that cannot run", () => {
  it.each<[string, Schedule, string]>([
    ["a sixth field", cron("* * * * * *"), "/0/cron_expression"],
    ["a minute of 60", cron("60 * * * *"), "/0/cron_expression"],
    ["words", cron("every monday"), "/0/cron_expression"],
    ["February 30", cron("0 0 30 2 *"), "/0/cron_expression"],
    ["@reboot", cron("@reboot"), "/0/cron_expression"],
    ["a date as a cron expression", cron("2026-12-01T00:00:00"), "/0/cron_expression"],
    ["a step of zero", cron("*/0 * * * *"), "/0/cron_expression"],
    ["an unknown time zone", cron("0 9 * * *", { timezone: "Mars/Olympus" }), "/0/timezone"],
    ["a date that does not exist", once("2026-02-30T09:00:00Z"), "/0/one_time_date"],
    ["a date in words", once("tomorrow"), "/0/one_time_date"],
    ["an hour of 25", simple("days", { start_time: "25:00" }), "/0/start_time"],
    ["an end without its date", cron("0 9 * * *", { ends_type: "on" }), "/0/ends_on_date"],
    ["an end with a wrong date", simple("days", { ends_type: "on", ends_on_date: "soon" }), "/0/ends_on_date"],
    ["a count that is missing", simple("days", { ends_type: "after" }), "/0/ends_after_count"],
  ])("names the field of %s", (_name, schedule, field) => {
    expect(scheduleErrors(schedule, "/0").map(({ name }) => name)).toEqual([field]);
  });

  it("does not count as a schedule if it has another kind", () => {
    expect(isSchedule({ type: "entity", name: "a", entity_name: "Order", event_types: ["create"] })).toBe(false);
    expect(isSchedule({ type: "scheduled", name: "a", schedule_mode: "recurring", schedule_type: "lunar" })).toBe(
      false,
    );
    expect(isSchedule(cron("* * * * *"))).toBe(true);
  });
});
