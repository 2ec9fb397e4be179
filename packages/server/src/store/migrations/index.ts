/**
 * All migrations in order. A released one never changes. A change is a new file that older servers
 * can work with.
 *
 * `connections.sealed_previous_access` and `connections.previous_expires_at` are always null and no
 * longer read. Dropping them waits for a version whose predecessor does not select them either.
 */
import { sql, type Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import { CodedError } from "../../core/errors.ts";
import { initial } from "./0001-initial.ts";
import { turns } from "./0002-turns.ts";
import { builders } from "./0003-builders.ts";
import { connectors } from "./0004-connectors.ts";
import { device } from "./0005-device.ts";
import { functions } from "./0006-functions.ts";
import { appUsers } from "./0007-app-users.ts";
import { earlierHolder } from "./0008-earlier-holder.ts";
import { appRoles } from "./0009-app-roles.ts";
import type { ColumnTypes } from "./types.ts";

export const migrations = (types: ColumnTypes): Record<string, Migration> => ({
  "0001-initial": initial(types),
  "0002-turns": turns(types),
  "0003-builders": builders(types),
  "0004-connectors": connectors(types),
  "0005-device": device(types),
  "0006-functions": functions(types),
  "0007-app-users": appUsers(types),
  "0008-earlier-holder": earlierHolder(types),
  "0009-app-roles": appRoles(),
});

/**
 * The oldest migration whose servers can work on the newest schema, as they do while a cluster is
 * updated node by node. A migration that removes something raises it to the last migration that did
 * not need the removed part.
 */
const COMPATIBLE_WITH = "0001-initial";
export const COMPATIBILITY_SETTING = "schema_compatible_with";

/** Stores COMPATIBLE_WITH in the database, where servers of an older version read it. */
export async function recordCompatibility(db: Kysely<unknown>): Promise<void> {
  await sql`insert into settings (name, value) values (${COMPATIBILITY_SETTING}, ${COMPATIBLE_WITH})
    on conflict (name) do update set value = excluded.value`.execute(db);
}

/**
 * Reports whether `applied` lacks some of `known`.
 *
 * @param compatible_with the value that a newer server stored, or null
 * @throws CodedError `schema_too_new` if this version cannot work on the schema
 */
export function mustMigrate(
  known: Readonly<Record<string, Migration>>,
  applied: readonly string[],
  compatible_with: string | null,
): boolean {
  const unknown = applied.find((name) => !Object.hasOwn(known, name));
  const is_missing = Object.keys(known).some((name) => !applied.includes(name));
  const is_compatible = compatible_with !== null && Object.hasOwn(known, compatible_with) && !is_missing;
  if (unknown === undefined || is_compatible) return is_missing;
  throw new CodedError("schema_too_new", {
    message: `The database has the migration ${unknown}, which this version does not know. Run the newer Holdfast that wrote it.`,
  });
}
