/**
 * Runs scheduled automations: on one node at a time, at most once for each scheduled time, and
 * without an app user. If no node can start a run in time, the run is missed. It is counted and
 * logged, and does not run later. Must not know how a function runs: app.ts provides that.
 */
import { every } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { plus, type AppId, type Instant } from "../../core/types.ts";
import type { ScheduleClaim, ScheduleRow } from "../../store/queries/functions/schedules.ts";
import type { Ground } from "../ground.ts";
import type { LogLevel } from "./log-buffer.ts";
import type { FunctionLogs } from "./logs.ts";
import { nextRun, type Scheduled } from "./schedule.ts";
import { parseSpec } from "./schedules.ts";

export interface ScheduledRun {
  readonly app_id: AppId;
  readonly function_name: string;
  /** JSON. */
  readonly body: string;
}

export interface SchedulerDeps extends Pick<Ground, "store" | "clock" | "limits" | "log" | "owner"> {
  readonly functionLogs: Pick<FunctionLogs, "write">;
  /** Calls the function, and returns the status of its response. */
  readonly run: (run: ScheduledRun) => Promise<number>;
}

export interface Scheduler {
  start(): void;
  /** Starts due runs. Resolves when they have ended. */
  tick(): Promise<void>;
  /** Starts no more runs. Resolves when the current ones have ended. */
  stop(): Promise<void>;
}

interface SchedulerState extends SchedulerDeps {
  /** The app of each run. */
  readonly running: Map<Promise<void>, AppId>;
  stopTimer: () => void;
  is_stopped: boolean;
}

/** Missed runs that one poll counts. A long outage can miss more. */
const MOST_MISSED = 1_000;

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const scheduler: SchedulerState = { ...deps, running: new Map(), stopTimer: () => {}, is_stopped: false };
  return {
    start: () => start(scheduler),
    tick: () => tick(scheduler),
    stop: () => stop(scheduler),
  };
}

function start(scheduler: SchedulerState): void {
  const { clock, limits, log } = scheduler;
  scheduler.stopTimer = every(clock, limits.schedule_poll_ms, () => {
    void tick(scheduler).catch((error: unknown) => log.error("schedules_failed", { error }));
  });
}

async function stop(scheduler: SchedulerState): Promise<void> {
  scheduler.is_stopped = true;
  scheduler.stopTimer();
  await Promise.all(scheduler.running.keys());
}

async function tick(scheduler: SchedulerState): Promise<void> {
  const { store, limits, running } = scheduler;
  const room = limits.schedule_batch - running.size;
  if (room <= 0 || scheduler.is_stopped) return;
  const crowded = [...new Set(running.values())].filter((app_id) => roomOf(scheduler, app_id) <= 0);
  const { now, due } = await store.dueSchedules(room, crowded);
  const allowed = due.filter(({ app_id }, index) => {
    const earlier = due.slice(0, index).filter((row) => row.app_id === app_id);
    return earlier.length < roomOf(scheduler, app_id);
  });
  await Promise.all(allowed.map((row) => claimAndRun(scheduler, row, now)));
}

/** Returns how many more runs of an app can start. */
function roomOf({ running, limits }: SchedulerState, app_id: AppId): number {
  return limits.schedule_batch_per_app - [...running.values()].filter((other) => other === app_id).length;
}

async function claimAndRun(scheduler: SchedulerState, row: ScheduleRow, now: Instant): Promise<void> {
  const claimed = await claim(scheduler, row, now);
  if (claimed === null) return;
  const run = runOne(scheduler, claimed);
  scheduler.running.set(run, row.app_id);
  await run.finally(() => scheduler.running.delete(run));
}

interface ClaimedRun {
  readonly row: ScheduleRow;
  readonly body: string;
}

/** Advances a due schedule and counts missed runs. Returns the run that this node must start. */
async function claim(scheduler: SchedulerState, row: ScheduleRow, now: Instant): Promise<ClaimedRun | null> {
  const { store, limits, owner } = scheduler;
  const scheduled = parseSpec(row);
  if (scheduled === null || row.next_run_at === null) {
    // A newer version of Holdfast wrote it. Only that version can read it.
    await store.claimSchedule(row, { next_run_at: plus(now, limits.schedule_late_ms) });
    return null;
  }
  const { last, missed } = passed(scheduled, row.next_run_at, now);
  const is_running = row.lease_until !== null && row.lease_until > now;
  if (is_running || now - last > limits.schedule_late_ms) {
    const moved = { next_run_at: nextRun(scheduled, now), missed: row.missed + missed + 1 };
    const change = is_running ? moved : { ...moved, ...ENDED, last_outcome: "missed" };
    if (await store.claimSchedule(row, change)) report(scheduler, row, missed + 1, is_running);
    return null;
  }
  const runs = row.runs + 1;
  const change: ScheduleClaim = {
    next_run_at: nextRun({ ...scheduled, runs }, now),
    lease_owner: owner,
    lease_until: plus(now, limits.schedule_lease_ms),
    last_run_at: last,
    last_outcome: "running",
    runs,
    missed: row.missed + missed,
  };
  if (!(await store.claimSchedule(row, change))) return null;
  report(scheduler, row, missed, is_running);
  return { row, body: JSON.stringify(scheduled.schedule.function_args ?? {}) };
}

const ENDED = { lease_owner: null, lease_until: null } as const;

/** Returns the last time of the schedule up to now, and how many other times have passed. */
function passed(scheduled: Scheduled, due: Instant, now: Instant): { readonly last: Instant; readonly missed: number } {
  let last = due;
  let missed = 0;
  while (missed < MOST_MISSED) {
    const next = nextRun(scheduled, last);
    if (next === null || next > now) break;
    last = next;
    missed += 1;
  }
  return { last, missed };
}

function report(scheduler: SchedulerState, row: ScheduleRow, missed: number, is_running: boolean): void {
  const { automation_name: name } = row;
  if (row.lease_owner !== null && !is_running) {
    write(scheduler, row, "error", `The last run of the automation ${name} was interrupted: its server stopped.`);
  }
  if (missed === 0) return;
  const count = missed === 1 ? "a run" : `${missed} runs`;
  const why = is_running ? "the run before it had not ended" : "no server could start it in time";
  write(scheduler, row, "warning", `The automation ${name} missed ${count}, because ${why}. It does not catch up.`);
}

async function runOne(scheduler: SchedulerState, { row, body }: ClaimedRun): Promise<void> {
  const { store, owner, log } = scheduler;
  const outcome = await outcomeOf(scheduler, row, body);
  if (outcome !== "ok") {
    write(scheduler, row, "error", `The automation ${row.automation_name} failed: ${outcome}.`);
  }
  await store.finishSchedule(row, owner, outcome).catch((error: unknown) => {
    // The lease expires.
    log.warn("schedule_not_finished", { app_id: row.app_id, function_name: row.function_name, error });
  });
}

/** Returns `ok`, `status_<number>`, or an error code. */
async function outcomeOf({ store, run, log }: SchedulerState, row: ScheduleRow, body: string): Promise<string> {
  const { app_id, function_name } = row;
  try {
    const app = await store.getApp(app_id);
    if (app?.functions_enabled !== true) return "functions_disabled";
    const status = await run({ app_id, function_name, body });
    return status < 400 ? "ok" : `status_${status}`;
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    log.error("scheduled_run_failed", { app_id, function_name, error });
    return "internal";
  }
}

function write({ functionLogs, clock }: SchedulerState, row: ScheduleRow, level: LogLevel, message: string): void {
  const { app_id, function_name } = row;
  functionLogs.write({ app_id, function_name, version: null, request_id: null, level, message, time: clock.now() });
}
