/**
 * Which services the apps of a workspace may use: two switches per service, both on unless somebody switched one off. Off
 * blocks what is connected already, on every node within a second, and takes nothing away: on again, it works as before.
 */
import type { AppId, WorkspaceId } from "../../core/types.ts";
import { existingApp } from "../access/authorization.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { Ground } from "../ground.ts";

export interface Switches {
  /** One account for the whole app, connected by a builder. */
  readonly builder_connection_enabled: boolean;
  /** An account of each app user. */
  readonly per_user_connection_enabled: boolean;
}

export interface ServiceSwitches extends Switches {
  readonly integration_type: string;
}

export interface Governance {
  /** Every service of the catalog. */
  list(workspace_id: WorkspaceId): Promise<readonly ServiceSwitches[]>;
  listOfApp(app_id: AppId): Promise<readonly ServiceSwitches[]>;
  get(workspace_id: WorkspaceId, integration_type: string): Promise<ServiceSwitches>;
  /** What is not given stays. */
  set(workspace_id: WorkspaceId, integration_type: string, change: Partial<Switches>): Promise<ServiceSwitches>;
}

export function createGovernance({
  store,
  catalog,
  cache,
}: Pick<Ground, "store" | "catalog"> & { readonly cache: TokenCache }): Governance {
  async function list(workspace_id: WorkspaceId): Promise<readonly ServiceSwitches[]> {
    const set = new Map((await store.listGovernance(workspace_id)).map((row) => [row.integration_type, row]));
    return catalog.all().map(({ id }) => switchesOf(id, set.get(id) ?? null));
  }

  async function get(workspace_id: WorkspaceId, integration_type: string): Promise<ServiceSwitches> {
    catalog.require(integration_type);
    return switchesOf(integration_type, await store.getGovernance(workspace_id, integration_type));
  }

  return {
    list,
    listOfApp: async (app_id) => list((await existingApp(store, app_id)).workspace_id),
    get,
    async set(workspace_id, integration_type, change) {
      const wanted = { ...(await get(workspace_id, integration_type)), ...change };
      await store.putGovernance({
        workspace_id,
        integration_type,
        builder_connection_enabled: wanted.builder_connection_enabled,
        per_user_connection_enabled: wanted.per_user_connection_enabled,
      });
      // Tokens of many apps may be in memory; they are read again, and refused there.
      cache.clear();
      return wanted;
    },
  };
}

function switchesOf(integration_type: string, row: Switches | null): ServiceSwitches {
  return {
    integration_type,
    builder_connection_enabled: row?.builder_connection_enabled ?? true,
    per_user_connection_enabled: row?.per_user_connection_enabled ?? true,
  };
}
