/**
 * OAuth clients: what was registered at a provider. The secret is sealed and never returned, under the data key of whom it
 * belongs to: a workspace's goes with the workspace. Tokens are bound to the client that they were issued to: a row names its
 * client's id, and no other client's secret is ever sent with them.
 *
 * The installation's clients serve the workspaces of its owners. Another owner's workspace uses them only where an operator
 * said so (draft-ietf-oauth-security-topics-update: registrations are not shared).
 */
import { ApiError } from "../../core/errors.ts";
import { newOAuthClientId } from "../../core/ids.ts";
import type { Secret } from "../../core/secret.ts";
import type { OAuthClientId, WorkspaceId } from "../../core/types.ts";
import type { Transaction } from "../../store/operation.ts";
import { requireWorkspace } from "../../store/queries/apps.ts";
import { deleteClient, insertClient, registeredClient, replaceSecret } from "../../store/queries/clients.ts";
import { changeStatus, clearMisconfigured, connectionsOfClient } from "../../store/queries/connections.ts";
import type { OAuthClientRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext } from "../../vault/seal.ts";
import { emit } from "../events/events.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { Ground } from "../ground.ts";

/** Scope of everything that belongs to no single app. */
export const INSTALLATION = "installation";
const CLIENT_ID_PATTERN = /^[\x21-\x7e]{1,512}$/;
const SECRET_PATTERN = /^[\x20-\x7e]{1,4096}$/;

export interface OpenClient {
  readonly id: OAuthClientId;
  readonly client_id: string;
  readonly client_secret: Secret;
}

export interface ClientSummary {
  readonly id: string;
  /** Null: serves every workspace that has no client of its own for the service. */
  readonly workspace_id: WorkspaceId | null;
  readonly integration_type: string;
  readonly client_id: string;
  readonly shared_callback: boolean;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface OAuthClients {
  /**
   * Registers, or replaces the secret of, a workspace's client for a service; unset or null = the installation's. Another
   * client id ends the connections that were made with the one before (`client_changed`).
   */
  set(input: {
    workspace_id?: WorkspaceId | null;
    integration_type: string;
    client_id: string;
    client_secret: Secret;
    shared_callback: boolean;
  }): Promise<ClientSummary>;
  /** Of a workspace, or (null) of the installation; unset = all. */
  list(workspace_id?: WorkspaceId | null): Promise<readonly ClientSummary[]>;
  /** Connections made with it need a new consent afterwards. */
  remove(integration_type: string, workspace_id?: WorkspaceId | null): Promise<void>;
  open(id: OAuthClientId): Promise<OpenClient | null>;
  /** The client that a new consent of a workspace's app uses: its own, else the installation's if that serves it. */
  find(workspace_id: WorkspaceId, integration_type: string): Promise<OAuthClientRow | null>;
}

export function createOAuthClients({
  store,
  vault,
  catalog,
  cache,
}: Pick<Ground, "store" | "vault" | "catalog"> & { readonly cache: TokenCache }): OAuthClients {
  const context = (id: OAuthClientId, workspace_id: WorkspaceId | null): SealContext => ({
    table: "oauth_clients",
    column: "secret",
    scope: workspace_id ?? INSTALLATION,
    row_id: id,
    generation: 0,
  });

  return {
    async set({ workspace_id = null, integration_type, client_id, client_secret, shared_callback }) {
      catalog.require(integration_type);
      if (!CLIENT_ID_PATTERN.test(client_id))
        throw new ApiError("invalid_field", {
          errors: [{ name: "client_id", message: "1 to 512 visible ASCII characters" }],
        });
      if (!SECRET_PATTERN.test(client_secret.expose()))
        throw new ApiError("invalid_field", {
          errors: [{ name: "client_secret", message: "1 to 4096 ASCII characters on one line" }],
        });
      const current = await store.registeredClient(workspace_id, integration_type);
      const same = current !== null && current.client_id === client_id;
      const id = same ? current.id : newOAuthClientId();
      const sealed_secret = await vault.seal(context(id, workspace_id), client_secret);
      await store.transaction(async (tx) => {
        if (workspace_id !== null) await requireWorkspace(tx, workspace_id);
        if (same) {
          await replaceSecret(tx, id, { sealed_secret, shared_callback });
          await clearMisconfigured(tx, id);
          return;
        }
        if (current !== null) await retire(tx, current.id);
        await insertClient(tx, {
          id,
          workspace_id,
          integration_type,
          client_id,
          sealed_secret,
          shared_callback,
        });
      });
      // Which connections ended with a replaced client is not worth tracking here; they are read again.
      cache.clear();
      const saved = await store.getClient(id);
      if (saved === null) throw new ApiError("internal");
      return summary(saved);
    },
    async list(workspace_id) {
      const all = await store.listClients();
      return all.filter((client) => workspace_id === undefined || client.workspace_id === workspace_id).map(summary);
    },
    async remove(integration_type, workspace_id = null) {
      const removed = await store.transaction(async (tx) => {
        const client = await registeredClient(tx, workspace_id, integration_type);
        if (client === null) return false;
        await retire(tx, client.id);
        return true;
      });
      cache.clear();
      if (!removed) throw new ApiError("not_found", { message: `No OAuth client is set for ${integration_type}.` });
    },
    async open(id) {
      const client = await store.getClient(id);
      if (client === null) return null;
      return {
        id,
        client_id: client.client_id,
        client_secret: await vault.open(context(id, client.workspace_id), sealedFromStorage(client.sealed_secret)),
      };
    },
    async find(workspace_id, integration_type) {
      const client = await store.findClient(workspace_id, integration_type);
      if (client === null || client.workspace_id !== null) return client;
      return (await store.installationSharing(workspace_id)).serves ? client : null;
    },
  };
}

/** Tokens of a retired client can never be refreshed again: their connections say so at once. */
async function retire(tx: Transaction, id: OAuthClientId): Promise<void> {
  for (const row of await connectionsOfClient(tx, id)) {
    if (row.status !== "active") continue;
    const changed = await changeStatus(tx, {
      id: row.id,
      generation: row.generation,
      status: "expired",
      reason: "client_changed",
      confirm_in_ms: null,
    });
    if (changed !== null) await emit(tx, "connection.needs_reconnect", changed);
  }
  await deleteClient(tx, id);
}

function summary({
  id,
  workspace_id,
  integration_type,
  client_id,
  shared_callback,
  created_at,
  updated_at,
}: OAuthClientRow): ClientSummary {
  return {
    id,
    workspace_id,
    integration_type,
    client_id,
    shared_callback,
    created_at,
    updated_at,
  };
}
