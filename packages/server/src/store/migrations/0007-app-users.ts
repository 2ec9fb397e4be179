/** Adds app users and their issuers. A server of the previous version can ignore them. */
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "./types.ts";

export function appUsers({ int8, bytes }: ColumnTypes): Migration {
  const statements = [
    `create table app_issuers (
      id text not null primary key,
      app_id text not null,
      issuer text not null,
      kind text not null,
      url text,
      audiences text not null,
      sealed_secret ${bytes},
      created_at ${int8} not null,
      updated_at ${int8} not null
    )`,
    "create unique index app_issuers_issuer on app_issuers (app_id, issuer)",
    // A token without an app is looked up by its issuer.
    "create index app_issuers_by_issuer on app_issuers (issuer)",
    `create table app_users (
      id text not null primary key,
      app_id text not null,
      issuer_id text not null,
      subject text not null,
      email text,
      full_name text,
      created_at ${int8} not null,
      last_seen_at ${int8} not null
    )`,
    "create unique index app_users_subject on app_users (app_id, issuer_id, subject)",
    "create index app_users_created_at on app_users (app_id, created_at, id)",
  ];
  return {
    async up(db) {
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  };
}
