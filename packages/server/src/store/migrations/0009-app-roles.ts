/** Adds the roles of app users. A server of the previous version stores new users as `user`. */
import { sql } from "kysely";
import type { Migration } from "kysely/migration";

export function appRoles(): Migration {
  return {
    async up(db) {
      await sql`alter table app_users add column role text not null default 'user'`.execute(db);
    },
  };
}
