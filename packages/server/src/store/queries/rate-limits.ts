/**
 * Counters in fixed windows, shared by all nodes.
 *
 * One statement counts, so that simultaneous attempts are all counted. It runs outside the
 * serializable transactions, where a row that every request changes would only cause retries.
 */
import { sql } from "kysely";
import { plus, type Instant } from "../../core/types.ts";
import { first, run, type Transaction } from "../operation.ts";

export interface Window {
  readonly count: number;
  readonly ends_at: Instant;
}

/** Counts one attempt. Starts a new window if the last one has ended. */
export async function countInWindow({ db, now }: Transaction, key: string, window_ms: number): Promise<Window> {
  const ends_at = plus(now, window_ms);
  const counted = db
    .insertInto("rate_windows")
    .values({ key, count: 1, ends_at })
    .onConflict((conflict) =>
      conflict.column("key").doUpdateSet({
        count: sql<number>`case when rate_windows.ends_at <= ${now} then 1 else rate_windows.count + 1 end`,
        ends_at: sql<Instant>`case when rate_windows.ends_at <= ${now} then excluded.ends_at else rate_windows.ends_at end`,
      }),
    )
    .returning(["count", "ends_at"]);
  return (await first(counted)) ?? { count: 1, ends_at };
}

/** Undoes one count in the window that ends at `ends_at`. */
export async function uncountInWindow({ db }: Transaction, key: string, ends_at: Instant): Promise<void> {
  await run(
    db
      .updateTable("rate_windows")
      .set((set) => ({ count: set("count", "-", 1) }))
      .where("key", "=", key)
      .where("ends_at", "=", ends_at)
      .where("count", ">", 0),
  );
}

export async function deleteOldWindows({ db, now }: Transaction): Promise<void> {
  await run(db.deleteFrom("rate_windows").where("ends_at", "<=", now));
}
