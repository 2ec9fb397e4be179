/**
 * The output of functions: stored with app, function, version and request, so that it survives a
 * restart, and read by the app's builders. Must not know processes, or how output is made.
 */
import { instant, plus, type AppId, type Instant } from "../../core/types.ts";
import type { FunctionLogRow } from "../../store/queries/functions/logs.ts";
import type { Ground } from "../ground.ts";
import { createLogBuffer, type FunctionRecord, type LogBuffer, type LogLevel } from "./log-buffer.ts";

export type { FunctionRecord, LogLevel } from "./log-buffer.ts";

export interface LogRange {
  readonly app_id: AppId;
  /** Null: all functions of the app. */
  readonly function_names: readonly string[] | null;
  readonly levels: readonly LogLevel[] | null;
  /** Null: from the first record. */
  readonly since: Instant | null;
  /** Exclusive. Null: to the last record. */
  readonly until: Instant | null;
  readonly order: "asc" | "desc";
  /** At most `function_log_page`. */
  readonly count: number;
}

/** New records of functions, as they are written on any node. */
export interface LogTail {
  /** Returns the records since the last call, oldest first. The first call returns none. */
  next(): Promise<readonly FunctionLogRow[]>;
}

export interface FunctionLogs {
  write(record: FunctionRecord): void;
  read(range: LogRange): Promise<readonly FunctionLogRow[]>;
  /** Reports whether the function is deployed, or has records from before. */
  has(app_id: AppId, function_name: string): Promise<boolean>;
  tail(app_id: AppId, function_names: readonly string[] | null): LogTail;
  flush(): Promise<void>;
}

type LogsDeps = Pick<Ground, "store" | "clock" | "limits" | "log">;

/** From the least to the most severe. */
export const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/** Records are stored up to this much later than their time: the clocks of nodes differ. */
const LATE_MS = 10_000;
/** The last instant that a record can have. */
const END = instant(8_640_000_000_000_000);

export function createFunctionLogs(deps: LogsDeps): FunctionLogs {
  const buffer = createLogBuffer(deps);
  return {
    write: (record) => buffer.add(record),
    read: (range) => read(deps, buffer, range),
    has: (app_id, function_name) => has(deps, buffer, app_id, function_name),
    tail: (app_id, function_names) => tail(deps, app_id, function_names),
    flush: () => buffer.flush(),
  };
}

/** Flushes first, so that the result includes this process's latest records. */
async function read(
  { store, limits }: LogsDeps,
  buffer: LogBuffer,
  range: LogRange,
): Promise<readonly FunctionLogRow[]> {
  await buffer.flush();
  const { since, until, count, ...rest } = range;
  const most = Math.min(count, limits.function_log_page);
  return await store.listFunctionLogs({ ...rest, since: since ?? instant(0), until: until ?? END, count: most });
}

async function has({ store }: LogsDeps, buffer: LogBuffer, app_id: AppId, function_name: string): Promise<boolean> {
  await buffer.flush();
  return await store.hasFunctionLogs(app_id, function_name);
}

/**
 * Records are not always stored in the order of their times. So each call reads the last seconds
 * again, and returns only records that it has not returned yet.
 */
function tail({ store, clock, limits }: LogsDeps, app_id: AppId, function_names: readonly string[] | null): LogTail {
  let seen = new Map<string, Instant>();
  let first = true;
  return {
    next: async () => {
      const since = plus(clock.now(), -LATE_MS);
      const rest = { app_id, function_names, levels: null, order: "desc" as const };
      const latest = await store.listFunctionLogs({ ...rest, since, until: END, count: limits.function_log_page });
      const fresh = first ? [] : latest.filter(({ id }) => !seen.has(id)).toReversed();
      first = false;
      const kept = [...seen].filter(([, time]) => time >= since);
      seen = new Map([...kept, ...latest.map(({ id, time }) => [id, time] as const)]);
      return fresh;
    },
  };
}
