/**
 * Adds CLI logins: device codes (RFC 8628), CLI sessions and their tokens. Also the rate-limit
 * windows that all nodes share, and the address of an audited request. A server of the previous
 * version can ignore them.
 */
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "./types.ts";

export function device({ int8 }: ColumnTypes): Migration {
  const statements = [
    `create table device_codes (
      device_hash text not null primary key,
      user_code_hash text not null,
      client_id text not null,
      scope text not null,
      address text not null,
      network text not null,
      created_at ${int8} not null,
      expires_at ${int8} not null,
      interval_s ${int8} not null,
      polled_at ${int8},
      state text not null,
      user_id text,
      session_id text,
      used_at ${int8}
    )`,
    "create index device_codes_user_code on device_codes (user_code_hash)",
    "create index device_codes_network on device_codes (network, expires_at)",
    "create index device_codes_expires_at on device_codes (expires_at)",
    `create table cli_sessions (
      id text not null primary key,
      user_id text not null,
      client_id text not null,
      scope text not null,
      address text not null,
      created_at ${int8} not null,
      first_used_at ${int8},
      last_used_at ${int8} not null
    )`,
    "create index cli_sessions_user on cli_sessions (user_id)",
    `create table cli_tokens (
      hash text not null primary key,
      session_id text not null,
      kind text not null,
      created_at ${int8} not null,
      expires_at ${int8} not null,
      rotated_at ${int8}
    )`,
    "create index cli_tokens_session on cli_tokens (session_id)",
    "create index cli_tokens_expires_at on cli_tokens (expires_at)",
    `create table rate_windows (key text not null primary key, count ${int8} not null, ends_at ${int8} not null)`,
    "create index rate_windows_ends_at on rate_windows (ends_at)",
    "alter table audit_events add column workspace_id text",
    "alter table audit_events add column address text",
    `update audit_events set workspace_id =
      (select apps.workspace_id from apps where apps.id = audit_events.app_id) where app_id <> ''`,
    "create index audit_events_at on audit_events (at, id)",
    "create index audit_events_workspace on audit_events (workspace_id, at)",
  ];
  return {
    async up(db) {
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  };
}
