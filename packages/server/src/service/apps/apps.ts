/**
 * Apps and the service tokens of their backends. Deleting an app deletes its data key and
 * connections in one transaction, and queues the revocation of its tokens at the providers. Must
 * not check roles: access/authorization.ts does.
 *
 * Errors: CodedError `not_found`, `already_exists`, `invalid_name`, `workspace_not_empty`,
 * `too_many_tokens`.
 */
import { newWorkspaceId } from "../../core/ids.ts";
import type { AppId, Instant, WorkspaceId } from "../../core/types.ts";
import type { AppRow } from "../../store/tables.ts";
import { existingApp } from "../access/authorization.ts";
import { addApp, createApp, type CreatedApp, type NewApp } from "./create.ts";
import { changeApp, type AppChange } from "./change.ts";
import { removeApp, removeWorkspace } from "./remove.ts";
import {
  createServiceToken,
  listServiceTokens,
  revokeServiceToken,
  type CreatedServiceToken,
  type ServiceTokenSummary,
} from "./service-tokens.ts";
import type { AppsDeps } from "./types.ts";

export type { AppRow, CreatedApp };

export interface Apps {
  /** Returns the first workspace. Creates it if there is none. */
  workspace(): Promise<WorkspaceId>;
  /** Creates an app without credentials. */
  add(name: string, workspace_id: WorkspaceId): Promise<AppId>;
  /** Creates an app with a service token and an API key, which are shown only once. */
  create(name: string, options?: NewApp): Promise<CreatedApp>;
  /** Returns the apps of one workspace, or of all. */
  list(workspace_id?: WorkspaceId): Promise<readonly AppRow[]>;
  get(app_id: AppId): Promise<AppRow>;
  /** Returns the id of the installation's only app. Null: it has none, or several. */
  only(): Promise<AppId | null>;
  change(app_id: AppId, change: AppChange): Promise<AppRow>;
  /**
   * Deletes the app, its connections and its data key. Tokens are revoked at the providers later.
   */
  remove(app_id: AppId): Promise<void>;
  /**
   * Deletes a workspace and what it owns.
   *
   * @throws CodedError `workspace_not_empty` unless `with_apps`
   */
  removeWorkspace(workspace_id: WorkspaceId, with_apps: boolean): Promise<void>;
  createToken(app_id: AppId, name: string, expires_at: Instant | null): Promise<CreatedServiceToken>;
  listTokens(app_id: AppId): Promise<readonly ServiceTokenSummary[]>;
  revokeToken(app_id: AppId, id: string): Promise<void>;
}

export function createApps(deps: AppsDeps): Apps {
  const { store, default_plan } = deps;
  return {
    workspace: () => store.defaultWorkspace(newWorkspaceId(), default_plan),
    add: (name, workspace_id) => addApp(deps, name, workspace_id),
    create: (name, options) => createApp(deps, name, options),
    list: (workspace_id) => store.listApps(workspace_id ?? null),
    only: () => store.onlyApp(),
    get: (app_id) => existingApp(store, app_id),
    change: (app_id, change) => changeApp(deps, app_id, change),
    remove: (app_id) => removeApp(deps, app_id),
    removeWorkspace: (workspace_id, with_apps) => removeWorkspace(deps, workspace_id, with_apps),
    createToken: (app_id, name, expires_at) => createServiceToken(deps, app_id, name, expires_at),
    listTokens: (app_id) => listServiceTokens(deps, app_id),
    revokeToken: (app_id, id) => revokeServiceToken(deps, app_id, id),
  };
}
