/**
 * Fields of an app that the public Base44 command line stores besides its name. Nothing here uses
 * them.
 */
import type { AppId } from "../../core/types.ts";
import type { AppProfilesTable } from "../../store/tables.ts";
import type { Ground } from "../ground.ts";

export type AppProfile = Pick<AppProfilesTable, "user_description" | "public_settings">;

export interface AppProfiles {
  /** Returns the fields of each app that has some. */
  list(ids: readonly AppId[]): Promise<ReadonlyMap<AppId, AppProfile>>;
  /** Stores the fields. A null field stays as it is. */
  put(app_id: AppId, profile: AppProfile): Promise<void>;
}

export function createAppProfiles({ store }: Pick<Ground, "store">): AppProfiles {
  return {
    list: async (ids) => new Map((await store.listAppProfiles(ids)).map((row) => [row.app_id, row])),
    put: (app_id, { user_description, public_settings }) =>
      store.putAppProfile({ app_id, user_description, public_settings }),
  };
}
