/** The output of functions: added in batches, read in pages, and deleted by age and by size. */
import { sql } from "kysely";
import type { AppId, Instant } from "../../../core/types.ts";
import { all, first, run, type Transaction } from "../../operation.ts";
import type { FunctionLogsTable } from "../../function-tables.ts";

export type FunctionLogRow = Omit<FunctionLogsTable, "size" | "position">;
export type NewFunctionLog = Omit<FunctionLogsTable, "position">;

const COLUMNS = ["id", "app_id", "function_name", "version", "request_id", "level", "message", "time"] as const;
/** Numbers of rows in one statement. Few sizes mean few prepared statements. */
const SIZES = [64, 8, 1];

/**
 * Adds records, each once: a caller that does not know the outcome can add them again. Drops those
 * of apps that were deleted, because nothing else would delete them.
 */
export async function appendFunctionLogs({ db }: Transaction, records: readonly NewFunctionLog[]): Promise<void> {
  const app_ids = [...new Set(records.map(({ app_id }) => app_id))];
  if (app_ids.length === 0) return;
  const apps = await all(db.selectFrom("apps").select("id").where("id", "in", app_ids));
  const known = new Set<string>(apps.map(({ id }) => id));
  let rest = records.filter(({ app_id }) => known.has(app_id));
  for (const size of SIZES) {
    for (; rest.length >= size; rest = rest.slice(size))
      await run(
        db
          .insertInto("function_logs")
          .values(rest.slice(0, size))
          .onConflict((conflict) => conflict.column("id").doNothing()),
      );
  }
}

export interface FunctionLogQuery {
  readonly app_id: AppId;
  /** Null: all functions of the app. */
  readonly function_names: readonly string[] | null;
  /** Null: all levels. */
  readonly levels: readonly string[] | null;
  /** Inclusive. */
  readonly since: Instant;
  /** Exclusive. */
  readonly until: Instant;
  readonly order: "asc" | "desc";
  readonly count: number;
}

/** Returns records ordered by time, and within one instant in insertion order. */
export async function listFunctionLogs({ db }: Transaction, wanted: FunctionLogQuery): Promise<FunctionLogRow[]> {
  const { app_id, function_names, levels, since, until, order, count } = wanted;
  if (function_names?.length === 0 || levels?.length === 0) return [];
  let query = db
    .selectFrom("function_logs")
    .select(COLUMNS)
    .where("app_id", "=", app_id)
    .where("time", ">=", since)
    .where("time", "<", until);
  if (function_names !== null) query = query.where("function_name", "in", function_names);
  if (levels !== null) query = query.where("level", "in", levels);
  return await all(query.orderBy("time", order).orderBy("position", order).limit(count));
}

/** Reports whether the function exists, or has records from before it was deleted. */
export async function hasFunctionLogs({ db }: Transaction, app_id: AppId, function_name: string): Promise<boolean> {
  const record = db
    .selectFrom("function_logs")
    .select("id")
    .where("app_id", "=", app_id)
    .where("function_name", "=", function_name);
  const known = db
    .selectFrom("functions")
    .select("name")
    .where("app_id", "=", app_id)
    .where("name", "=", function_name);
  return (await first(known.limit(1))) !== null || (await first(record.limit(1))) !== null;
}

/** Deletes at most `count` records. Returns how many. */
export async function deleteOldFunctionLogs({ db }: Transaction, before: Instant, count: number): Promise<number> {
  return await run(
    db
      .deleteFrom("function_logs")
      .where("id", "in", (logs) =>
        logs
          .selectFrom("function_logs as old")
          .select("old.id")
          .where("old.time", "<", before)
          .orderBy("old.time")
          .limit(count),
      ),
  );
}

/** Deletes the oldest records of an app beyond `bytes`. Returns how many. */
export async function trimFunctionLogs({ db }: Transaction, app_id: AppId, bytes: number): Promise<number> {
  const totals = db
    .selectFrom("function_logs")
    .select(["time", sql<number>`sum(size) over (order by time desc, position desc)`.as("total")])
    .where("app_id", "=", app_id)
    .as("totals");
  const latest = await first(
    db.selectFrom(totals).select("time").where("total", ">", bytes).orderBy("time", "desc").limit(1),
  );
  if (latest === null) return 0;
  return await run(db.deleteFrom("function_logs").where("app_id", "=", app_id).where("time", "<=", latest.time));
}
