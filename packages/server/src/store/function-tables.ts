/** The tables of backend functions as Kysely types. See tables.ts. */
import type { Generated } from "kysely";
import type { AppId, Instant } from "../core/types.ts";

/** A function of an app. A call runs its live version. */
export interface FunctionsTable {
  app_id: AppId;
  name: string;
  /** The id of a version. */
  live_version: string;
  /** JSON array of automations. Set together with the live version. */
  automations: string;
  created_at: Instant;
  updated_at: Instant;
}

/** One deployment of a function. Never changes. */
export interface FunctionVersionsTable {
  id: string;
  app_id: AppId;
  function_name: string;
  /** Counts the deployments of the function, from 1. */
  number: number;
  /** Path of the entry file among the source files. */
  entry: string;
  automations: string;
  /**
   * Digests of blobs: the source files as sent (JSON), the bundle, its source map, the lock file.
   */
  source_digest: string;
  bundle_digest: string;
  map_digest: string;
  lock_digest: string;
  /** The release of Holdfast, whose SDK the bundle contains. */
  built_with: string;
  created_at: Instant;
  created_by: string;
}

/** Content, by its SHA-256 in hex. Versions of any app share it. */
export interface FunctionBlobsTable {
  digest: string;
  size: number;
  bytes: Uint8Array;
}

export interface AppSecretsTable {
  app_id: AppId;
  name: string;
  sealed_value: Uint8Array;
  updated_at: Instant;
}

export interface FunctionLogsTable {
  id: string;
  app_id: AppId;
  function_name: string;
  /** The id of the version that ran. */
  version: string | null;
  request_id: string | null;
  level: string;
  message: string;
  /** Bytes that count toward the storage limit: the message and its row. */
  size: number;
  time: Instant;
  /** Set by the database. Later records have higher positions. */
  position: Generated<number>;
}

/** The next run of a scheduled automation of a live version. */
export interface FunctionSchedulesTable {
  app_id: AppId;
  function_name: string;
  automation_name: string;
  /** JSON object: the automation, and when it was deployed. The store only compares it. */
  spec: string;
  /** Null: no further run. */
  next_run_at: Instant | null;
  lease_owner: string | null;
  lease_until: Instant | null;
  last_run_at: Instant | null;
  last_outcome: string | null;
  /** Counts the runs. A schedule can end after a number of them. */
  runs: number;
  /** Counts the runs that were due while no server ran. They do not run later. */
  missed: number;
}
