/**
 * The outbox: work after a commit, done at least once.
 *
 * Revocations are independent of each other. Events are delivered in the order of their connection:
 * only the first open one is sent. When it fails, the later ones are postponed too, so that a long
 * queue for an unreachable receiver is not searched again and again.
 */
import { plus, type Instant, type JsonObject } from "../../core/types.ts";
import { run, type Transaction } from "../operation.ts";
import { OUTBOX } from "../rows.ts";
import type { OutboxRow } from "../tables.ts";

const COLUMNS = [
  "app_id",
  "id",
  "kind",
  "connection_id",
  "payload",
  "sealed",
  "position",
  "attempts",
  "next_attempt_at",
  "created_at",
  "done_at",
] as const;

export type NewOutboxItem = Pick<OutboxRow, "app_id" | "id" | "kind" | "connection_id" | "sealed"> & {
  readonly payload: JsonObject;
};

export async function enqueue({ db, now }: Transaction, item: NewOutboxItem): Promise<void> {
  const values = { ...OUTBOX.encode(item), attempts: 0, next_attempt_at: now, created_at: now, done_at: null };
  await run(db.insertInto("outbox").values(values));
}

export async function dueOutbox(
  { db, now }: Transaction,
  kind: OutboxRow["kind"],
  count: number,
): Promise<OutboxRow[]> {
  return await OUTBOX.all(
    db
      .selectFrom("outbox")
      .select(COLUMNS)
      .where("done_at", "is", null)
      .where("kind", "=", kind)
      .where("next_attempt_at", "<=", now)
      .orderBy("next_attempt_at")
      .limit(count),
  );
}

export async function listOutbox(
  { db }: Transaction,
  app_id: OutboxRow["app_id"],
  kind: OutboxRow["kind"],
): Promise<OutboxRow[]> {
  return await OUTBOX.all(
    db.selectFrom("outbox").select(COLUMNS).where("app_id", "=", app_id).where("kind", "=", kind).orderBy("created_at"),
  );
}

/** Marks an item as done and erases its sealed tokens. */
export async function finishOutbox({ db, now }: Transaction, id: string): Promise<void> {
  await run(db.updateTable("outbox").set({ done_at: now, sealed: null }).where("id", "=", id));
}

/** Does the same as `finishOutbox`, once. Returns false to the second caller. */
export async function endOutbox({ db, now }: Transaction, id: string): Promise<boolean> {
  const update = db
    .updateTable("outbox")
    .set({ done_at: now, sealed: null })
    .where("id", "=", id)
    .where("done_at", "is", null);
  return (await run(update)) === 1;
}

export async function postponeOutbox(
  { db }: Transaction,
  id: string,
  attempts: number,
  next_attempt_at: Instant,
): Promise<void> {
  await run(db.updateTable("outbox").set({ attempts, next_attempt_at }).where("id", "=", id));
}

/** Deletes done items that were created before `before`. */
export async function deleteOldOutbox({ db }: Transaction, before: Instant): Promise<number> {
  return await run(db.deleteFrom("outbox").where("created_at", "<", before).where("done_at", "is not", null));
}

/**
 * Reserves up to `count` events that are due, at most one per connection, for `reserve_ms`.
 *
 * A later call reserves an event again if the caller neither finished nor postponed it by then.
 */
export async function reserveEvents(
  { db, now, skip_locked }: Transaction,
  count: number,
  reserve_ms: number,
): Promise<OutboxRow[]> {
  const due = db
    .selectFrom("outbox")
    .select("outbox.id")
    .where("outbox.done_at", "is", null)
    .where("outbox.kind", "=", "event")
    .where("outbox.next_attempt_at", "<=", now)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("outbox as older")
            .select("older.id")
            .whereRef("older.connection_id", "=", "outbox.connection_id")
            .where("older.done_at", "is", null)
            .where("older.kind", "=", "event")
            .whereRef("older.position", "<", "outbox.position"),
        ),
      ),
    )
    .orderBy("outbox.next_attempt_at")
    .limit(count)
    .$if(skip_locked, (query) => query.forUpdate("outbox").skipLocked());
  // PostgreSQL can run a subquery of the update several times, and lock `count` more rows each
  // time.
  const reserve = db
    .with("due", () => due)
    .updateTable("outbox")
    .set({ next_attempt_at: plus(now, reserve_ms) })
    .where("id", "in", (query) => query.selectFrom("due").select("due.id"))
    .returning(COLUMNS);
  return await OUTBOX.all(reserve);
}

/** Marks an event as delivered or given up, so that the next one is due. Idempotent. */
export async function finishEvent({ db, now }: Transaction, id: string): Promise<void> {
  await run(db.updateTable("outbox").set({ done_at: now }).where("id", "=", id).where("done_at", "is", null));
}

/** Retries the event after `wait_ms`, and later events of its connection no earlier. */
export async function postponeEvent(
  { db, now }: Transaction,
  { id, connection_id }: Pick<OutboxRow, "id" | "connection_id">,
  attempts: number,
  wait_ms: number,
): Promise<void> {
  const at = plus(now, wait_ms);
  const open = db.updateTable("outbox").where("done_at", "is", null);
  if ((await run(open.set({ attempts, next_attempt_at: at }).where("id", "=", id))) === 0) return;
  await run(
    open
      .set({ next_attempt_at: at })
      .where("connection_id", "=", connection_id)
      .where("kind", "=", "event")
      .where("next_attempt_at", "<", at),
  );
}
