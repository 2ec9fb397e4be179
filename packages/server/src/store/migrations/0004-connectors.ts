/**
 * Adds governance (the services that a workspace allows its apps), the last check of a connection,
 * and the app profile of the public CLI. A server of the previous version can ignore them.
 */
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "./types.ts";

export function connectors({ int8 }: ColumnTypes): Migration {
  const statements = [
    `alter table connections add column blocked_at ${int8}`,
    `alter table connections add column checked_at ${int8}`,
    `create table governance (
      workspace_id text not null,
      integration_type text not null,
      builder_connection_enabled ${int8} not null,
      per_user_connection_enabled ${int8} not null,
      updated_at ${int8} not null,
      constraint governance_pk primary key (workspace_id, integration_type)
    )`,
    `create table app_profiles (
      app_id text not null,
      user_description text,
      public_settings text,
      constraint app_profiles_pk primary key (app_id)
    )`,
  ];
  return {
    async up(db) {
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  };
}
