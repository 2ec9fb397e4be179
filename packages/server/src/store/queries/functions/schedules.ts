/**
 * When scheduled automations run. A node claims a run by moving the schedule to its next time, so
 * no two nodes start the same run. The lease only shows whether an earlier run is still active.
 */
import type { AppId, Instant } from "../../../core/types.ts";
import { all, run, type Transaction } from "../../operation.ts";
import type { FunctionSchedulesTable } from "../../function-tables.ts";

export type ScheduleRow = FunctionSchedulesTable;
export type ScheduleKey = Pick<ScheduleRow, "app_id" | "function_name" | "automation_name">;
export type NewSchedule = Pick<ScheduleRow, "automation_name" | "spec" | "next_run_at">;

const COLUMNS = [
  "app_id",
  "function_name",
  "automation_name",
  "spec",
  "next_run_at",
  "lease_owner",
  "lease_until",
  "last_run_at",
  "last_outcome",
  "runs",
  "missed",
] as const;

/** Returns the schedules of an app's function, or of all its functions if the name is null. */
export async function listSchedules(
  { db }: Transaction,
  app_id: AppId,
  function_name: string | null,
): Promise<ScheduleRow[]> {
  let query = db.selectFrom("function_schedules").select(COLUMNS).where("app_id", "=", app_id);
  if (function_name !== null) query = query.where("function_name", "=", function_name);
  return await all(query.orderBy("function_name").orderBy("automation_name"));
}

/**
 * Makes these the schedules of a function. One with the same spec as before keeps its next run and
 * its counters.
 */
export async function putSchedules(
  tx: Transaction,
  app_id: AppId,
  function_name: string,
  schedules: readonly NewSchedule[],
): Promise<void> {
  const { db } = tx;
  const before = new Map((await listSchedules(tx, app_id, function_name)).map((row) => [row.automation_name, row]));
  for (const { automation_name, spec, next_run_at } of schedules) {
    const key = { app_id, function_name, automation_name };
    const known = before.get(automation_name);
    before.delete(automation_name);
    if (known?.spec === spec) continue;
    if (known !== undefined) await deleteSchedule(tx, key);
    const counters = { last_run_at: null, last_outcome: null, runs: 0, missed: 0 };
    const row = { ...key, spec, next_run_at, lease_owner: null, lease_until: null, ...counters };
    await run(db.insertInto("function_schedules").values(row));
  }
  for (const automation_name of before.keys()) await deleteSchedule(tx, { app_id, function_name, automation_name });
}

async function deleteSchedule({ db }: Transaction, key: ScheduleKey): Promise<void> {
  await run(
    db
      .deleteFrom("function_schedules")
      .where("app_id", "=", key.app_id)
      .where("function_name", "=", key.function_name)
      .where("automation_name", "=", key.automation_name),
  );
}

/**
 * Returns due schedules, and the time at which they were checked. First the earliest of each app,
 * then the second of each app, and so on: an app with many schedules delays only its own.
 */
export async function dueSchedules(
  { db, now }: Transaction,
  count: number,
  without: readonly AppId[] = [],
): Promise<{ readonly now: Instant; readonly due: readonly ScheduleRow[] }> {
  let ranked = db
    .selectFrom("function_schedules")
    .select(COLUMNS)
    .select((eb) =>
      eb.fn
        .agg<number>("row_number")
        .over((of) => of.partitionBy("app_id").orderBy("next_run_at"))
        .as("turn"),
    )
    .where("next_run_at", "<=", now);
  if (without.length > 0) ranked = ranked.where("app_id", "not in", without);
  const query = db.selectFrom(ranked.as("ranked")).select(COLUMNS).orderBy("turn").orderBy("next_run_at");
  return { now, due: await all(query.limit(count)) };
}

/** The columns that a claim changes. A claim without a lease only advances the schedule. */
export type ScheduleClaim = Partial<
  Pick<ScheduleRow, "next_run_at" | "lease_owner" | "lease_until" | "last_run_at" | "last_outcome" | "runs" | "missed">
>;

/**
 * Updates a schedule if it is unchanged since it was read. Returns false if another node or a
 * deployment changed it first.
 */
export async function claimSchedule(
  { db }: Transaction,
  row: ScheduleKey & Pick<ScheduleRow, "next_run_at" | "spec">,
  claim: ScheduleClaim,
): Promise<boolean> {
  const { app_id, function_name, automation_name, next_run_at, spec } = row;
  const changed = await run(
    db
      .updateTable("function_schedules")
      .set(claim)
      .where("app_id", "=", app_id)
      .where("function_name", "=", function_name)
      .where("automation_name", "=", automation_name)
      .where("next_run_at", "=", next_run_at)
      .where("spec", "=", spec),
  );
  return changed === 1;
}

/** Ends the run of `owner`. Does nothing if another run has started since. */
export async function finishSchedule(
  { db }: Transaction,
  { app_id, function_name, automation_name }: ScheduleKey,
  owner: string,
  last_outcome: string,
): Promise<void> {
  await run(
    db
      .updateTable("function_schedules")
      .set({ lease_owner: null, lease_until: null, last_outcome })
      .where("app_id", "=", app_id)
      .where("function_name", "=", function_name)
      .where("automation_name", "=", automation_name)
      .where("lease_owner", "=", owner),
  );
}
