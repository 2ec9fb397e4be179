/** What the public command line says of an app: kept for it, and without effect here. */
import type { AppId } from "../../core/types.ts";
import { all, run, type Transaction } from "../operation.ts";
import type { AppProfilesTable } from "../tables.ts";

const COLUMNS = ["app_id", "user_description", "public_settings"] as const;

export async function listAppProfiles({ db }: Transaction, ids: readonly AppId[]): Promise<AppProfilesTable[]> {
  if (ids.length === 0) return [];
  return await all(db.selectFrom("app_profiles").select(COLUMNS).where("app_id", "in", ids));
}

/** Null: stays as it is. */
export async function putAppProfile({ db }: Transaction, profile: AppProfilesTable): Promise<void> {
  const given = Object.fromEntries(
    Object.entries(profile).filter(([name, value]) => name !== "app_id" && value !== null),
  );
  const insert = db.insertInto("app_profiles").values(profile);
  await run(
    Object.keys(given).length === 0
      ? insert.onConflict((conflict) => conflict.column("app_id").doNothing())
      : insert.onConflict((conflict) => conflict.column("app_id").doUpdateSet(given)),
  );
}
