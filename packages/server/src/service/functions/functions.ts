/**
 * Backend functions of apps: deployments, versions, and the code of a call. A function belongs to
 * one app, and to every other app it looks like it does not exist. Must not know how a bundle is
 * made or run, and must not check roles: access/authorization.ts does.
 *
 * Errors: CodedError `function_not_found`, `deployment_invalid`, `function_invalid`,
 * `function_from_directory`, `limit_reached`, `overloaded`.
 */
import { LRUCache } from "lru-cache";
import type { FunctionMatch, LiveFunction, SourceFile } from "../../core/functions/functions.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId, Instant } from "../../core/types.ts";
import type { FunctionRow } from "../../store/tables.ts";
import { createReadCache } from "../cache/read-cache.ts";
import { createFunctionDirectory } from "./directory.ts";
import { deploy, type Deployment, type NewDeployment } from "./deploy.ts";
import { hasFunction, listFunctions, listVersions, removeFunction, rollback, withIgnoredSchedules } from "./manage.ts";
import { live, match } from "./live.ts";
import { scheduleStates, type ScheduleState } from "./schedules.ts";
import type { FunctionsDeps, FunctionsState } from "./types.ts";

export type { Deployment, NewDeployment };

export interface ListedFunction {
  readonly name: string;
  /** The id of the live version. */
  readonly version_id: string;
  /** The number of the live version. Null for a function of the directory. */
  readonly version: number | null;
  readonly entry: string;
  readonly files: readonly SourceFile[];
  readonly automations: readonly unknown[];
}

export interface FunctionVersion {
  readonly id: string;
  readonly number: number;
  readonly is_live: boolean;
  readonly created_at: Instant;
  readonly created_by: string;
  /** The release of Holdfast that bundled it. */
  readonly built_with: string;
}

export interface Functions {
  deploy(app_id: AppId, name: string, deployment: NewDeployment, actor: string): Promise<Deployment>;
  /** Reports whether the app has a function of this name. */
  has(app_id: AppId, name: string): Promise<boolean>;
  /** Returns the functions with their live source, by name. Reads each when it is needed. */
  list(app_id: AppId): AsyncIterable<ListedFunction>;
  /** Returns the kept versions, the latest first. */
  versions(app_id: AppId, name: string): Promise<readonly FunctionVersion[]>;
  /**
   * Makes an earlier version live. Null: the previous version. Returns its number.
   */
  rollback(app_id: AppId, name: string, number: number | null): Promise<number>;
  remove(app_id: AppId, name: string): Promise<void>;
  /** Returns when the scheduled automations of the app's functions run. */
  schedules(app_id: AppId): Promise<readonly ScheduleState[]>;
  /** Returns the code and secrets for a call of the function. */
  live(app_id: AppId, name: string): Promise<LiveFunction>;
  /** Returns the function that a path below `/api/functions/` belongs to, or null. */
  match(app_id: AppId, path: string): Promise<FunctionMatch | null>;
  /**
   * Serves the functions of a directory for one app, in place of deployed ones with the same names.
   * `secrets` override the app's own secrets with the same names.
   */
  useDirectory(app_id: AppId, directory: string, secrets?: Readonly<Record<string, Secret>>): void;
  /** Returns the functions of the directory whose schedules do not run. */
  withIgnoredSchedules(): Promise<readonly string[]>;
  /** Marks cached rows as stale, because another process wrote. */
  markStale(): void;
}

export function createFunctions(deps: FunctionsDeps): Functions {
  const { limits, clock, gate } = deps;
  const entries = limits.function_cache_entries;
  const state: FunctionsState = {
    ...deps,
    directory: null,
    // Entries do not expire. Each writer invalidates them.
    rows: createReadCache<FunctionRow>({ entries, ttl_ms: Number.POSITIVE_INFINITY, limits, clock, gate }),
    code: new LRUCache({ maxSize: limits.function_cache_bytes, sizeCalculation: (text) => text.length + 1 }),
    turns: { running: [], waiting: [] },
  };
  return {
    deploy: (app_id, name, deployment, actor) => deploy(state, app_id, name, deployment, actor),
    has: (app_id, name) => hasFunction(state, app_id, name),
    list: (app_id) => listFunctions(state, app_id),
    versions: (app_id, name) => listVersions(state, app_id, name),
    rollback: (app_id, name, number) => rollback(state, app_id, name, number),
    remove: (app_id, name) => removeFunction(state, app_id, name),
    schedules: (app_id) => scheduleStates(deps, app_id),
    live: (app_id, name) => live(state, app_id, name),
    match: (app_id, path) => match(state, app_id, path),
    useDirectory: (app_id, directory, secrets = {}) =>
      void (state.directory = createFunctionDirectory({ ...deps, app_id, directory, secrets })),
    withIgnoredSchedules: () => withIgnoredSchedules(state),
    markStale: state.rows.markStale,
  };
}
