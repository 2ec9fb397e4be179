/** App profiles: fields that the public CLI stores with an app. Nothing here reads them. */
import type { AppId } from "../../core/types.ts";
import { all, run, type Transaction } from "../operation.ts";
import type { AppProfilesTable } from "../tables.ts";

const COLUMNS = ["app_id", "user_description", "public_settings"] as const;

export async function listAppProfiles({ db }: Transaction, ids: readonly AppId[]): Promise<AppProfilesTable[]> {
  if (ids.length === 0) return [];
  return await all(db.selectFrom("app_profiles").select(COLUMNS).where("app_id", "in", ids));
}

/** Stores a profile. A field that is null keeps its value. */
export async function putAppProfile({ db }: Transaction, profile: AppProfilesTable): Promise<void> {
  const changed = Object.fromEntries(
    Object.entries(profile).filter(([name, value]) => name !== "app_id" && value !== null),
  );
  const insert = db.insertInto("app_profiles").values(profile);
  await run(
    Object.keys(changed).length === 0
      ? insert.onConflict((conflict) => conflict.column("app_id").doNothing())
      : insert.onConflict((conflict) => conflict.column("app_id").doUpdateSet(changed)),
  );
}
