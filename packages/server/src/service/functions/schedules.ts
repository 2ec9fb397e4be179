/**
 * The schedules of a function's live version, as stored in the database. Other kinds of automations
 * are only stored with the version, and start nothing.
 */
import { invalidAutomation } from "../../core/functions/automation-error.ts";
import { instant, isJsonObject, type AppId, type Instant } from "../../core/types.ts";
import type { Transaction } from "../../store/operation.ts";
import {
  listSchedules,
  putSchedules as storeSchedules,
  type ScheduleRow,
} from "../../store/queries/functions/schedules.ts";
import type { Ground } from "../ground.ts";
import { isSchedule, meaningOf, nextRun, scheduleErrors, type Schedule, type Scheduled } from "./schedule.ts";

/**
 * Checks the values that schemas cannot check: cron expressions, dates, times of day, time zones.
 *
 * @throws CodedError `invalid_field` that names each field as a JSON pointer (RFC 6901)
 */
export function checkSchedules(automations: readonly unknown[]): void {
  const errors = automations.flatMap((one, index) =>
    isSchedule(one) ? scheduleErrors(one, `/automations/${index}`) : [],
  );
  if (errors.length > 0) throw invalidAutomation(errors);
}

/** Returns the notes for a builder who deploys automations that never run. */
export function automationNotes(automations: readonly unknown[]): readonly string[] {
  return automations.flatMap((one) => {
    if (!isJsonObject(one) || typeof one["name"] !== "string" || isSchedule(one)) return [];
    const events = one["type"] === "entity" ? "events of entities" : "events of connectors";
    return [`The automation ${one["name"]} is stored only: this server has no ${events} that start functions.`];
  });
}

/**
 * Makes the scheduled automations of a function those of its live version, in the transaction that
 * makes the version live. One that did not change keeps its next run and its counters.
 */
export async function putSchedules(
  tx: Transaction,
  app_id: AppId,
  function_name: string,
  automations: readonly unknown[],
): Promise<void> {
  const known = new Map((await listSchedules(tx, app_id, function_name)).map((row) => [row.automation_name, row]));
  const schedules = automations.filter(isSchedule).map((schedule) => {
    const before = known.get(schedule.name);
    const spec = before !== undefined && isSame(before, schedule) ? before.spec : specOf(schedule, tx.now);
    const next_run_at = nextRun({ schedule, anchor: tx.now, runs: 0 }, tx.now);
    return { automation_name: schedule.name, spec, next_run_at };
  });
  await storeSchedules(tx, app_id, function_name, schedules);
}

const specOf = (schedule: Schedule, anchor: Instant): string => JSON.stringify({ schedule, anchor });

function isSame(row: ScheduleRow, schedule: Schedule): boolean {
  const before = parseSpec(row);
  return before !== null && meaningOf(before.schedule) === meaningOf(schedule);
}

/** Returns the schedule of a row, or null if another version of Holdfast wrote it differently. */
export function parseSpec({ spec, runs }: Pick<ScheduleRow, "spec" | "runs">): Scheduled | null {
  const value: unknown = JSON.parse(spec);
  if (!isJsonObject(value)) return null;
  const { schedule, anchor } = value;
  if (!isSchedule(schedule) || typeof anchor !== "number" || scheduleErrors(schedule, "").length > 0) return null;
  return { schedule, anchor: instant(anchor), runs };
}

/** A scheduled automation and its runs. */
export interface ScheduleState {
  readonly function_name: string;
  readonly automation_name: string;
  /** Null: it does not run again. */
  readonly next_run_at: Instant | null;
  readonly last_run_at: Instant | null;
  /** `ok`, `running`, `missed`, `status_<number>`, or an error code. Null: it has not run. */
  readonly last_outcome: string | null;
  readonly runs: number;
  readonly missed: number;
}

/** Returns the schedules of all functions of an app, by function and name. */
export async function scheduleStates(
  { store }: Pick<Ground, "store">,
  app_id: AppId,
): Promise<readonly ScheduleState[]> {
  const rows = await store.listSchedules(app_id, null);
  return rows.map(({ function_name, automation_name, next_run_at, last_run_at, last_outcome, runs, missed }) => ({
    function_name,
    automation_name,
    next_run_at,
    last_run_at,
    last_outcome,
    runs,
    missed,
  }));
}
