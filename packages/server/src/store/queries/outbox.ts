/**
 * The outbox: work that follows a commit and must be done at least once. Revocations are independent of each other. Events
 * are delivered in the order of their connection: only the first open one may be sent. When it fails, the ones behind it are
 * postponed as well, so that a long line behind a receiver that is down costs no search for what is due.
 */
import { plus, type Instant } from "../../core/types.ts";
import { all, run, type Operation, type Transaction } from "../operation.ts";
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

export type NewOutboxItem = Pick<OutboxRow, "app_id" | "id" | "kind" | "connection_id" | "payload" | "sealed">;

export function* enqueue({ db, now }: Transaction, item: NewOutboxItem): Operation<void> {
  const values = { ...item, attempts: 0, next_attempt_at: now, created_at: now, done_at: null };
  yield* run(db.insertInto("outbox").values(values));
}

export function* dueOutbox({ db, now }: Transaction, kind: OutboxRow["kind"], count: number): Operation<OutboxRow[]> {
  return yield* all(
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

export function* listOutbox(
  { db }: Transaction,
  app_id: OutboxRow["app_id"],
  kind: OutboxRow["kind"],
): Operation<OutboxRow[]> {
  return yield* all(
    db.selectFrom("outbox").select(COLUMNS).where("app_id", "=", app_id).where("kind", "=", kind).orderBy("created_at"),
  );
}

/** Done, one way or the other: the sealed tokens go at once. */
export function* finishOutbox({ db, now }: Transaction, id: string): Operation<void> {
  yield* run(db.updateTable("outbox").set({ done_at: now, sealed: null }).where("id", "=", id));
}

/** The same, for whoever comes first. */
export function* endOutbox({ db, now }: Transaction, id: string): Operation<boolean> {
  const update = db
    .updateTable("outbox")
    .set({ done_at: now, sealed: null })
    .where("id", "=", id)
    .where("done_at", "is", null);
  return (yield* run(update)) === 1;
}

export function* postponeOutbox(
  { db }: Transaction,
  id: string,
  attempts: number,
  next_attempt_at: Instant,
): Operation<void> {
  yield* run(db.updateTable("outbox").set({ attempts, next_attempt_at }).where("id", "=", id));
}

/** Done items that were created before `before`. */
export function* deleteOldOutbox({ db }: Transaction, before: Instant): Operation<number> {
  return yield* run(db.deleteFrom("outbox").where("created_at", "<", before).where("done_at", "is not", null));
}

/**
 * Up to `count` events that may be sent now, at most one of each connection. They are the caller's for `reserve_ms`: if it
 * has not finished or postponed them by then, they are handed out again.
 */
export function* reserveEvents(
  { db, now, skip_locked }: Transaction,
  count: number,
  reserve_ms: number,
): Operation<OutboxRow[]> {
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
  // A subquery of the update might be run several times by PostgreSQL, and lock another `count` rows each time.
  const reserve = db
    .with("due", () => due)
    .updateTable("outbox")
    .set({ next_attempt_at: plus(now, reserve_ms) })
    .where("id", "in", (query) => query.selectFrom("due").select("due.id"))
    .returning(COLUMNS);
  return yield* all(reserve);
}

/** The event is delivered, or given up: it is the next one's turn. Somebody else may have been faster. */
export function* finishEvent({ db, now }: Transaction, id: string): Operation<void> {
  yield* run(db.updateTable("outbox").set({ done_at: now }).where("id", "=", id).where("done_at", "is", null));
}

/** The event is tried again in `wait_ms`, and the ones behind it not earlier. */
export function* postponeEvent(
  { db, now }: Transaction,
  { id, connection_id }: Pick<OutboxRow, "id" | "connection_id">,
  attempts: number,
  wait_ms: number,
): Operation<void> {
  const at = plus(now, wait_ms);
  const open = db.updateTable("outbox").where("done_at", "is", null);
  if ((yield* run(open.set({ attempts, next_attempt_at: at }).where("id", "=", id))) === 0) return;
  yield* run(
    open
      .set({ next_attempt_at: at })
      .where("connection_id", "=", connection_id)
      .where("kind", "=", "event")
      .where("next_attempt_at", "<", at),
  );
}
