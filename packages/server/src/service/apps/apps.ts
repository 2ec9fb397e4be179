/** Apps, and the service tokens of their backends. */
import { ApiError } from "../../core/errors.ts";
import { newAppId, newCredential, newWorkspaceId } from "../../core/ids.ts";
import type { Scope } from "../../core/roles.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId, Instant, UserId, WorkspaceId } from "../../core/types.ts";
import type { Transaction } from "../../store/operation.ts";
import { createApp, deleteApp, listApps, requireWorkspace } from "../../store/queries/apps.ts";
import { enqueue } from "../../store/queries/outbox.ts";
import { deleteWorkspace } from "../../store/queries/workspaces.ts";
import type { AppRow, ServiceTokensTable } from "../../store/tables.ts";
import type { ApiKeys } from "../access/api-keys.ts";
import { noSuchApp } from "../access/authorization.ts";
import { checkName, NAME_LENGTH } from "../../core/names.ts";
import type { Revocations } from "../grants/revocation.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { Ground } from "../ground.ts";
import type { Credentials } from "../access/credentials.ts";

export type { AppRow };

export interface CreatedApp {
  readonly app_id: AppId;
  readonly service_token: Secret;
  /** Null: the workspace has as many API keys as it may have, which is no reason to go without the app. */
  readonly api_key: Secret | null;
}

export interface ServiceTokenSummary {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
  readonly last_used_at: number | null;
}

/** An app of which workspace and, with it, whose first API key. */
export interface NewApp {
  /** Default: the installation's first workspace. */
  readonly workspace_id?: WorkspaceId;
  readonly user_id?: UserId | null;
  /** Of the key; default `admin`. */
  readonly scope?: Scope;
}

export interface Apps {
  workspace(): Promise<WorkspaceId>;
  /** Without credentials. */
  add(name: string, workspace_id: WorkspaceId): Promise<AppId>;
  /** With a first service token and an API key, each shown this once. */
  create(name: string, belonging?: NewApp): Promise<CreatedApp>;
  /** Of one workspace, or of all. */
  list(workspace_id?: WorkspaceId): Promise<readonly AppRow[]>;
  get(app_id: AppId): Promise<AppRow>;
  change(app_id: AppId, change: { readonly name?: string; readonly functions_enabled?: boolean }): Promise<AppRow>;
  /** The app, its connections and its data key. Tokens are revoked at the providers afterwards. */
  remove(app_id: AppId): Promise<void>;
  /** A workspace with everything that is its own. @throws ApiError `workspace_not_empty` unless `with_apps` */
  removeWorkspace(workspace_id: WorkspaceId, with_apps: boolean): Promise<void>;
  createToken(
    app_id: AppId,
    name: string,
    expires_at: Instant | null,
  ): Promise<{ readonly id: string; readonly service_token: Secret }>;
  listTokens(app_id: AppId): Promise<readonly ServiceTokenSummary[]>;
  revokeToken(app_id: AppId, id: string): Promise<void>;
}

export interface AppsDeps extends Pick<Ground, "store" | "vault" | "limits" | "default_plan"> {
  readonly revocations: Revocations;
  readonly cache: TokenCache;
  readonly apiKeys: ApiKeys;
  readonly credentials: Pick<Credentials, "clear">;
}

export function createApps(deps: AppsDeps): Apps {
  const { store, vault, revocations, cache, limits, default_plan, apiKeys, credentials } = deps;
  const workspace = (): Promise<WorkspaceId> => store.defaultWorkspace(newWorkspaceId(), default_plan);

  async function add(given: string, workspace_id: WorkspaceId): Promise<AppId> {
    const name = checkName(given);
    const app_id = newAppId();
    const created = await store.transaction(async (tx) => {
      // Deleted since its role was looked up, the workspace would leave the app to nobody.
      await requireWorkspace(tx, workspace_id);
      return await createApp(tx, { id: app_id, workspace_id, name });
    });
    if (!created) throw nameTaken(name);
    return app_id;
  }

  async function create(given: string, belonging: NewApp = {}): Promise<CreatedApp> {
    const name = checkName(given);
    const workspace_id = belonging.workspace_id ?? (await workspace());
    const user_id = belonging.user_id ?? (await firstOwner(workspace_id));
    const app_id = await add(name, workspace_id);
    const { service_token } = await createToken(app_id, "first", null);
    const made = await apiKeys
      .create({
        workspace_id,
        user_id,
        name: `made with ${name}`.slice(0, NAME_LENGTH),
        scope: belonging.scope ?? "admin",
        expires_at: null,
      })
      .catch(noMoreKeys);
    return { app_id, service_token, api_key: made?.api_key ?? null };
  }

  /** Whose a key is that is made on the server's machine. */
  async function firstOwner(workspace_id: WorkspaceId): Promise<UserId | null> {
    const members = await store.listMembers(workspace_id);
    return members.find((member) => member.role === "owner")?.user_id ?? null;
  }

  async function get(app_id: AppId): Promise<AppRow> {
    const app = await store.getApp(app_id);
    if (app === null) throw noSuchApp();
    return app;
  }

  async function change(
    app_id: AppId,
    { name, functions_enabled }: { readonly name?: string; readonly functions_enabled?: boolean },
  ): Promise<AppRow> {
    const app = await get(app_id);
    const wanted = {
      ...(name === undefined ? {} : { name: checkName(name) }),
      ...(functions_enabled === undefined ? {} : { functions_enabled }),
    };
    if (!(await store.changeApp(app, wanted))) throw nameTaken(name ?? app.name);
    credentials.clear();
    return get(app_id);
  }

  async function remove(app_id: AppId): Promise<void> {
    await get(app_id);
    await removeAll([app_id], async () => {});
  }

  async function removeWorkspace(workspace_id: WorkspaceId, with_apps: boolean): Promise<void> {
    const apps = await store.listApps(workspace_id);
    if (apps.length > 0 && !with_apps) throw new ApiError("workspace_not_empty");
    const known = new Set(apps.map((app) => app.id));
    await removeAll([...known], async (tx) => {
      // One that was made meanwhile would be left without an owner.
      const left = await listApps(tx, workspace_id);
      if (left.length > 0) throw new ApiError("workspace_not_empty");
      await deleteWorkspace(tx, workspace_id);
    });
    vault.forget(workspace_id);
  }

  /** The apps and what `then` does, in one transaction: their data keys are gone with them. */
  async function removeAll(app_ids: readonly AppId[], then: (tx: Transaction) => Promise<void>): Promise<void> {
    const rows = (await Promise.all(app_ids.map((app_id) => store.listConnections(app_id)))).flat();
    const items = await Promise.all(rows.map((row) => revocations.prepare(row)));
    await store.transaction(async (tx) => {
      for (const item of items) if (item !== null) await enqueue(tx, item);
      for (const app_id of app_ids) await deleteApp(tx, app_id);
      await then(tx);
    });
    for (const app_id of app_ids) vault.forget(app_id);
    for (const row of rows) cache.drop(row);
    credentials.clear();
    await store.purge();
  }

  async function createToken(
    app_id: AppId,
    given: string,
    expires_at: Instant | null,
  ): Promise<{ id: string; service_token: Secret }> {
    const name = checkName(given);
    await get(app_id);
    const { credential, id, digest } = newCredential("hfs");
    const created = await store.createServiceToken(
      { app_id, id, name, digest, expires_at },
      limits.live_service_tokens_per_app,
    );
    if (!created) throw new ApiError("too_many_tokens");
    return { id, service_token: credential };
  }

  async function listTokens(app_id: AppId): Promise<readonly ServiceTokenSummary[]> {
    await get(app_id);
    return (await store.listServiceTokens(app_id)).map(summary);
  }

  async function revokeToken(app_id: AppId, id: string): Promise<void> {
    const revoked = await store.revokeServiceToken(app_id, id);
    credentials.clear();
    if (!revoked)
      throw new ApiError("not_found", {
        message: "The app has no live token of that id. holdfast tokens list shows all.",
      });
  }

  return {
    workspace,
    add,
    create,
    list: (workspace_id) => store.listApps(workspace_id ?? null),
    get,
    change,
    remove,
    removeWorkspace,
    createToken,
    listTokens,
    revokeToken,
  };
}

function summary({
  id,
  name,
  created_at,
  expires_at,
  revoked_at,
  last_used_at,
}: ServiceTokensTable): ServiceTokenSummary {
  return { id, name, created_at, expires_at, revoked_at, last_used_at };
}

function nameTaken(name: string): ApiError {
  return new ApiError("already_exists", { message: `There is an app named "${name}" already. Choose another name.` });
}

function noMoreKeys(error: unknown): null {
  if (error instanceof ApiError && error.code === "limit_reached") return null;
  throw error;
}
