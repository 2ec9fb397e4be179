/**
 * Adds a sweeper's reservation of a connection, so that the sweepers of several nodes pick
 * different connections. Adds an outbox item's position, so that a connection's events are
 * delivered in order. A server of the previous version can ignore both.
 */
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "./types.ts";

export function turns(types: ColumnTypes): Migration {
  return {
    async up(db) {
      await db.schema.alterTable("connections").addColumn("reserved_until", sql.raw(types.int8)).execute();
      for (const statement of types.numbered("outbox", "position")) await sql.raw(statement).execute(db);
      await sql`create index outbox_connection on outbox (connection_id, position) where done_at is null`.execute(db);
    },
  };
}
