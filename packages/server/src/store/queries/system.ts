/** Data keys and settings. */
import { asAppId, asWorkspaceId } from "../../core/ids.ts";
import { all, first, run, type Transaction } from "../operation.ts";
import { DATA_KEY } from "../rows.ts";
import type { DataKeyRow } from "../tables.ts";
import { requireApp, requireWorkspace } from "./owners.ts";

const KEY_COLUMNS = ["dek_id", "scope", "kek_id", "wrapped", "encryptions", "is_current", "created_at"] as const;

export async function getDataKey({ db }: Transaction, dek_id: string): Promise<DataKeyRow | null> {
  return await DATA_KEY.first(db.selectFrom("data_keys").select(KEY_COLUMNS).where("dek_id", "=", dek_id));
}

export async function currentDataKey({ db }: Transaction, scope: string): Promise<DataKeyRow | null> {
  return await DATA_KEY.first(
    db.selectFrom("data_keys").select(KEY_COLUMNS).where("scope", "=", scope).where("is_current", "=", 1),
  );
}

/**
 * Makes `key` the current key of its scope, in place of `replaces`. If another process won, changes
 * nothing and returns that process's key.
 */
export async function insertDataKey(
  tx: Transaction,
  key: Omit<DataKeyRow, "is_current">,
  replaces: string | null,
): Promise<DataKeyRow> {
  if (key.scope.startsWith("app_")) await requireApp(tx, asAppId(key.scope));
  if (key.scope.startsWith("wsp_")) await requireWorkspace(tx, asWorkspaceId(key.scope));
  const current = await currentDataKey(tx, key.scope);
  if (current !== null && current.dek_id !== replaces) return current;
  if (current !== null)
    await run(
      tx.db
        .updateTable("data_keys")
        .set(DATA_KEY.encode({ is_current: false }))
        .where("dek_id", "=", current.dek_id),
    );
  const row = { ...key, is_current: true };
  await run(tx.db.insertInto("data_keys").values(DATA_KEY.encode(row)));
  return row;
}

/** Reserves `count` encryptions. Returns how many were reserved before. */
export async function reserveEncryptions({ db }: Transaction, dek_id: string, count: number): Promise<number> {
  const update = db
    .updateTable("data_keys")
    .set((set) => ({ encryptions: set("encryptions", "+", count) }))
    .where("dek_id", "=", dek_id)
    .returning("encryptions");
  const row = await first(update);
  return row === null ? Number.POSITIVE_INFINITY : row.encryptions - count;
}

export async function listDataKeys({ db }: Transaction): Promise<DataKeyRow[]> {
  return await DATA_KEY.all(db.selectFrom("data_keys").select(KEY_COLUMNS).orderBy("created_at"));
}

export async function rewrapDataKey(
  { db }: Transaction,
  dek_id: string,
  from_kek_id: string,
  to: Pick<DataKeyRow, "kek_id" | "wrapped">,
): Promise<boolean> {
  return (
    (await run(db.updateTable("data_keys").set(to).where("dek_id", "=", dek_id).where("kek_id", "=", from_kek_id))) ===
    1
  );
}

export async function keyIdsInUse({ db }: Transaction): Promise<string[]> {
  const rows = await all(db.selectFrom("data_keys").select("kek_id").distinct());
  return rows.map((row) => row.kek_id);
}

export async function getSetting({ db }: Transaction, name: string): Promise<string | null> {
  const row = await first(db.selectFrom("settings").select("value").where("name", "=", name));
  return row?.value ?? null;
}

export async function deleteSetting({ db }: Transaction, name: string): Promise<void> {
  await run(db.deleteFrom("settings").where("name", "=", name));
}

export async function putSetting({ db }: Transaction, name: string, value: string): Promise<void> {
  await run(
    db
      .insertInto("settings")
      .values({ name, value })
      .onConflict((conflict) => conflict.column("name").doUpdateSet({ value })),
  );
}
