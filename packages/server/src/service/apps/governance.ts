/**
 * The services that a workspace's apps can use: two switches per service, both on by default.
 * Turning one off also blocks existing connections, on every node within a second. It deletes
 * nothing. Turned on again, everything works as before.
 */
import type { AppId, WorkspaceId } from "../../core/types.ts";
import { existingApp } from "../access/authorization.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { Ground } from "../ground.ts";

export interface Switches {
  /** One account for the whole app, connected by a builder. */
  readonly builder_connection_enabled: boolean;
  /** An account for each app user. */
  readonly per_user_connection_enabled: boolean;
}

export interface ServiceSwitches extends Switches {
  readonly integration_type: string;
}

export interface Governance {
  /** Returns the switches of every service in the catalog. */
  list(workspace_id: WorkspaceId): Promise<readonly ServiceSwitches[]>;
  listOfApp(app_id: AppId): Promise<readonly ServiceSwitches[]>;
  get(workspace_id: WorkspaceId, integration_type: string): Promise<ServiceSwitches>;
  /** Changes the given switches. Omitted ones stay. */
  set(workspace_id: WorkspaceId, integration_type: string, change: Partial<Switches>): Promise<ServiceSwitches>;
}

interface GovernanceDeps extends Pick<Ground, "store" | "catalog"> {
  readonly cache: TokenCache;
}

export function createGovernance(deps: GovernanceDeps): Governance {
  return {
    list: (workspace_id) => list(deps, workspace_id),
    listOfApp: async (app_id) => await list(deps, (await existingApp(deps.store, app_id)).workspace_id),
    get: (workspace_id, integration_type) => get(deps, workspace_id, integration_type),
    set: (workspace_id, integration_type, change) => set(deps, workspace_id, integration_type, change),
  };
}

async function list(
  { store, catalog }: GovernanceDeps,
  workspace_id: WorkspaceId,
): Promise<readonly ServiceSwitches[]> {
  const rows = new Map((await store.listGovernance(workspace_id)).map((row) => [row.integration_type, row]));
  return catalog.all().map(({ id }) => switchesOf(id, rows.get(id) ?? null));
}

async function get(
  { store, catalog }: GovernanceDeps,
  workspace_id: WorkspaceId,
  integration_type: string,
): Promise<ServiceSwitches> {
  catalog.require(integration_type);
  return switchesOf(integration_type, await store.getGovernance(workspace_id, integration_type));
}

async function set(
  deps: GovernanceDeps,
  workspace_id: WorkspaceId,
  integration_type: string,
  change: Partial<Switches>,
): Promise<ServiceSwitches> {
  const switches = { ...(await get(deps, workspace_id, integration_type)), ...change };
  const { builder_connection_enabled, per_user_connection_enabled } = switches;
  const row = { workspace_id, integration_type, builder_connection_enabled, per_user_connection_enabled };
  await deps.store.putGovernance(row);
  // Tokens of many apps can be cached. The next read checks the switches again.
  deps.cache.clear();
  return switches;
}

function switchesOf(integration_type: string, row: Switches | null): ServiceSwitches {
  return {
    integration_type,
    builder_connection_enabled: row?.builder_connection_enabled ?? true,
    per_user_connection_enabled: row?.per_user_connection_enabled ?? true,
  };
}
