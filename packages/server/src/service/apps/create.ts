/** Creating an app, alone or with its first credentials. */
import { CodedError } from "../../core/errors.ts";
import { newAppId, newWorkspaceId } from "../../core/ids.ts";
import { checkName, NAME_LENGTH } from "../../core/names.ts";
import type { Scope } from "../../core/roles.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId, UserId, WorkspaceId } from "../../core/types.ts";
import * as queries from "../../store/queries/apps.ts";
import { requireWorkspace } from "../../store/queries/owners.ts";
import { nameTaken } from "./change.ts";
import { createServiceToken } from "./service-tokens.ts";
import type { AppsDeps } from "./types.ts";

/** The workspace of a new app, and the user and scope of its first API key. */
export interface NewApp {
  /** Default: the installation's first workspace. */
  readonly workspace_id?: WorkspaceId;
  /** Default: an owner of the workspace. */
  readonly user_id?: UserId | null;
  /** Default `admin`. */
  readonly scope?: Scope;
}

export interface CreatedApp {
  readonly app_id: AppId;
  readonly service_token: Secret;
  /** Null when the workspace has its maximum of API keys. The app is created anyway. */
  readonly api_key: Secret | null;
}

export async function addApp({ store }: AppsDeps, typed_name: string, workspace_id: WorkspaceId): Promise<AppId> {
  const name = checkName(typed_name);
  const id = newAppId();
  const is_created = await store.transaction(async (tx) => {
    // Another request may have deleted the workspace since the role check.
    await requireWorkspace(tx, workspace_id);
    return await queries.createApp(tx, { id, workspace_id, name });
  });
  if (!is_created) throw nameTaken(name);
  return id;
}

export async function createApp(deps: AppsDeps, typed_name: string, options: NewApp = {}): Promise<CreatedApp> {
  const { store, default_plan, apiKeys } = deps;
  const name = checkName(typed_name);
  const workspace_id = options.workspace_id ?? (await store.defaultWorkspace(newWorkspaceId(), default_plan));
  const user_id = options.user_id ?? (await firstOwner(deps, workspace_id));
  const app_id = await addApp(deps, name, workspace_id);
  const { service_token } = await createServiceToken(deps, app_id, "first", null);
  const key = {
    workspace_id,
    user_id,
    name: `made with ${name}`.slice(0, NAME_LENGTH),
    scope: options.scope ?? "admin",
    expires_at: null,
  };
  const created = await apiKeys.create(key).catch(nullIfLimited);
  return { app_id, service_token, api_key: created?.api_key ?? null };
}

/** Returns the user of a key that is created on the server's machine. */
async function firstOwner({ store }: AppsDeps, workspace_id: WorkspaceId): Promise<UserId | null> {
  const members = await store.listMembers(workspace_id);
  return members.find((member) => member.role === "owner")?.user_id ?? null;
}

function nullIfLimited(error: unknown): null {
  if (error instanceof CodedError && error.code === "limit_reached") return null;
  throw error;
}
