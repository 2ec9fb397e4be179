/** Data keys, settings, the audit trail and the outbox. */
import { ApiError } from "../../core/errors.ts";
import { asAppId } from "../../core/ids.ts";
import type { Instant } from "../../core/types.ts";
import { all, first, run, type Operation, type Transaction } from "../operation.ts";
import type { AuditEventsTable, DataKeysTable, OutboxTable } from "../tables.ts";

const KEY_COLUMNS = ["dek_id", "scope", "kek_id", "wrapped", "encryptions", "is_current", "created_at"] as const;
const OUTBOX_COLUMNS = [
  "app_id",
  "id",
  "kind",
  "connection_id",
  "payload",
  "sealed",
  "attempts",
  "next_attempt_at",
  "created_at",
  "done_at",
] as const;

export function* getDataKey({ db }: Transaction, dek_id: string): Operation<DataKeysTable | null> {
  return yield* first(db.selectFrom("data_keys").select(KEY_COLUMNS).where("dek_id", "=", dek_id));
}

export function* currentDataKey({ db }: Transaction, scope: string): Operation<DataKeysTable | null> {
  return yield* first(
    db.selectFrom("data_keys").select(KEY_COLUMNS).where("scope", "=", scope).where("is_current", "=", 1),
  );
}

/**
 * Makes `key` the current one of its scope, in place of `replaces`. When somebody else was faster, theirs is returned and
 * nothing changes.
 */
export function* insertDataKey(
  tx: Transaction,
  key: Omit<DataKeysTable, "is_current">,
  replaces: string | null,
): Operation<DataKeysTable> {
  // An app that was deleted gets no new key: what would be sealed under it could never be owned by anyone.
  if (
    key.scope.startsWith("app_") &&
    (yield* first(tx.db.selectFrom("apps").select("id").where("id", "=", asAppId(key.scope)))) === null
  ) {
    throw new ApiError("not_found", { message: "There is no such app." });
  }
  const current = yield* currentDataKey(tx, key.scope);
  if (current !== null && current.dek_id !== replaces) return current;
  if (current !== null)
    yield* run(tx.db.updateTable("data_keys").set({ is_current: 0 }).where("dek_id", "=", current.dek_id));
  const row = { ...key, is_current: 1 };
  yield* run(tx.db.insertInto("data_keys").values(row));
  return row;
}

/** Reserves `count` encryptions; how many had been reserved before. */
export function* reserveEncryptions({ db }: Transaction, dek_id: string, count: number): Operation<number> {
  const update = db
    .updateTable("data_keys")
    .set((set) => ({ encryptions: set("encryptions", "+", count) }))
    .where("dek_id", "=", dek_id)
    .returning("encryptions");
  const row = yield* first(update);
  return row === null ? Number.POSITIVE_INFINITY : row.encryptions - count;
}

export function* listDataKeys({ db }: Transaction): Operation<DataKeysTable[]> {
  return yield* all(db.selectFrom("data_keys").select(KEY_COLUMNS).orderBy("created_at"));
}

export function* rewrapDataKey(
  { db }: Transaction,
  dek_id: string,
  from_kek_id: string,
  to: Pick<DataKeysTable, "kek_id" | "wrapped">,
): Operation<boolean> {
  return (
    (yield* run(db.updateTable("data_keys").set(to).where("dek_id", "=", dek_id).where("kek_id", "=", from_kek_id))) ===
    1
  );
}

export function* keyIdsInUse({ db }: Transaction): Operation<string[]> {
  const rows = yield* all(db.selectFrom("data_keys").select("kek_id").distinct());
  return rows.map((row) => row.kek_id);
}

export function* getSetting({ db }: Transaction, name: string): Operation<string | null> {
  const row = yield* first(db.selectFrom("settings").select("value").where("name", "=", name));
  return row?.value ?? null;
}

export function* putSetting({ db }: Transaction, name: string, value: string): Operation<void> {
  yield* run(
    db
      .insertInto("settings")
      .values({ name, value })
      .onConflict((conflict) => conflict.column("name").doUpdateSet({ value })),
  );
}

export function* appendAudit({ db }: Transaction, events: readonly AuditEventsTable[]): Operation<void> {
  for (const event of events) yield* run(db.insertInto("audit_events").values(event));
}

export function* listAudit({ db }: Transaction, app_id: string, count: number): Operation<AuditEventsTable[]> {
  return yield* all(
    db
      .selectFrom("audit_events")
      .select(["app_id", "id", "at", "actor", "action", "target", "request_id"])
      .where("app_id", "=", app_id)
      .orderBy("at", "desc")
      .orderBy("id")
      .limit(count),
  );
}

export type NewOutboxItem = Pick<OutboxTable, "app_id" | "id" | "kind" | "connection_id" | "payload" | "sealed">;

export function* enqueue({ db, now }: Transaction, item: NewOutboxItem): Operation<void> {
  yield* run(
    db.insertInto("outbox").values({ ...item, attempts: 0, next_attempt_at: now, created_at: now, done_at: null }),
  );
}

export function* dueOutbox(
  { db, now }: Transaction,
  kind: OutboxTable["kind"],
  count: number,
): Operation<OutboxTable[]> {
  return yield* all(
    db
      .selectFrom("outbox")
      .select(OUTBOX_COLUMNS)
      .where("done_at", "is", null)
      .where("kind", "=", kind)
      .where("next_attempt_at", "<=", now)
      .orderBy("next_attempt_at")
      .limit(count),
  );
}

export function* listOutbox(
  { db }: Transaction,
  app_id: OutboxTable["app_id"],
  kind: OutboxTable["kind"],
): Operation<OutboxTable[]> {
  return yield* all(
    db
      .selectFrom("outbox")
      .select(OUTBOX_COLUMNS)
      .where("app_id", "=", app_id)
      .where("kind", "=", kind)
      .orderBy("created_at"),
  );
}

/** Done, one way or the other: the sealed tokens go at once. */
export function* finishOutbox({ db, now }: Transaction, id: string): Operation<void> {
  yield* run(db.updateTable("outbox").set({ done_at: now, sealed: null }).where("id", "=", id));
}

export function* postponeOutbox(
  { db }: Transaction,
  id: string,
  attempts: number,
  next_attempt_at: Instant,
): Operation<void> {
  yield* run(db.updateTable("outbox").set({ attempts, next_attempt_at }).where("id", "=", id));
}

/** Events nobody fetched and items that are done, created before `before`. */
export function* deleteOldOutbox({ db }: Transaction, before: Instant): Operation<number> {
  return yield* run(
    db
      .deleteFrom("outbox")
      .where("created_at", "<", before)
      .where((where) => where.or([where("done_at", "is not", null), where("kind", "=", "event")])),
  );
}
