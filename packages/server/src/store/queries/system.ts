/** Data keys and settings. */
import { asAppId, asWorkspaceId } from "../../core/ids.ts";
import { all, first, run, type Operation, type Transaction } from "../operation.ts";
import type { DataKeysTable } from "../tables.ts";
import { requireApp, requireWorkspace } from "./apps.ts";

const KEY_COLUMNS = ["dek_id", "scope", "kek_id", "wrapped", "encryptions", "is_current", "created_at"] as const;

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
  if (key.scope.startsWith("app_")) yield* requireApp(tx, asAppId(key.scope));
  if (key.scope.startsWith("wsp_")) yield* requireWorkspace(tx, asWorkspaceId(key.scope));
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

export function* deleteSetting({ db }: Transaction, name: string): Operation<void> {
  yield* run(db.deleteFrom("settings").where("name", "=", name));
}

export function* putSetting({ db }: Transaction, name: string, value: string): Operation<void> {
  yield* run(
    db
      .insertInto("settings")
      .values({ name, value })
      .onConflict((conflict) => conflict.column("name").doUpdateSet({ value })),
  );
}
