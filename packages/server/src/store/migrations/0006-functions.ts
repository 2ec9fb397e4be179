/**
 * Adds backend functions that belong to an app: functions, their versions and content, secrets, log
 * and schedules. A server of the previous version can ignore them.
 */
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "./types.ts";

/** Functions, versions, content and secrets. */
const deployed = ({ int8, bytes }: ColumnTypes): readonly string[] => [
  `create table functions (
    app_id text not null,
    name text not null,
    live_version text not null,
    automations text not null,
    created_at ${int8} not null,
    updated_at ${int8} not null,
    constraint functions_pk primary key (app_id, name)
  )`,
  `create table function_versions (
    id text not null primary key,
    app_id text not null,
    function_name text not null,
    number ${int8} not null,
    entry text not null,
    automations text not null,
    source_digest text not null,
    bundle_digest text not null,
    map_digest text not null,
    lock_digest text not null,
    built_with text not null,
    created_at ${int8} not null,
    created_by text not null
  )`,
  "create unique index function_versions_number on function_versions (app_id, function_name, number)",
  // Before a blob is deleted, each of these columns is searched for it.
  "create index function_versions_source on function_versions (source_digest)",
  "create index function_versions_bundle on function_versions (bundle_digest)",
  "create index function_versions_map on function_versions (map_digest)",
  "create index function_versions_lock on function_versions (lock_digest)",
  `create table function_blobs (digest text not null primary key, size ${int8} not null, bytes ${bytes} not null)`,
  `create table app_secrets (
    app_id text not null,
    name text not null,
    sealed_value ${bytes} not null,
    updated_at ${int8} not null,
    constraint app_secrets_pk primary key (app_id, name)
  )`,
];

/** The output of functions, and when their automations run. */
const running = ({ int8, numbered }: ColumnTypes): readonly string[] => [
  `create table function_logs (
    id text not null primary key,
    app_id text not null,
    function_name text not null,
    version text,
    request_id text,
    level text not null,
    message text not null,
    size ${int8} not null,
    time ${int8} not null
  )`,
  ...numbered("function_logs", "position"),
  "create index function_logs_function on function_logs (app_id, function_name, time)",
  "create index function_logs_app on function_logs (app_id, time)",
  "create index function_logs_time on function_logs (time)",
  `create table function_schedules (
    app_id text not null,
    function_name text not null,
    automation_name text not null,
    spec text not null,
    next_run_at ${int8},
    lease_owner text,
    lease_until ${int8},
    last_run_at ${int8},
    last_outcome text,
    runs ${int8} not null default 0,
    missed ${int8} not null default 0,
    constraint function_schedules_pk primary key (app_id, function_name, automation_name)
  )`,
  "create index function_schedules_next on function_schedules (next_run_at)",
];

export function functions(types: ColumnTypes): Migration {
  return {
    async up(db) {
      for (const statement of [...deployed(types), ...running(types)]) await sql.raw(statement).execute(db);
    },
  };
}
