/**
 * Adds the holder of an earlier lease, whose request's outcome is unknown. A server of the previous
 * version can ignore it: it then waits only for the holder of the latest lease, as it always did.
 */
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "./types.ts";

export function earlierHolder({ int8 }: ColumnTypes): Migration {
  return {
    async up(db) {
      await sql.raw("alter table connections add column earlier_owner text").execute(db);
      await sql.raw(`alter table connections add column earlier_at ${int8}`).execute(db);
    },
  };
}
