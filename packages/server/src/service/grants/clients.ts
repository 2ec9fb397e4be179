/**
 * OAuth clients, as registered at a provider. The secret is sealed and never returned. It is sealed
 * with the data key of its workspace, so deleting the workspace makes it unreadable.
 *
 * Tokens are bound to the client that they were issued to. A connection stores its client's id, and
 * no other client's secret is ever sent with its tokens.
 *
 * The installation's clients serve the workspaces of its owners. Another owner's workspace uses
 * them only if an operator allows it (draft-ietf-oauth-security-topics-update: registrations are
 * not shared).
 */
import { CodedError } from "../../core/errors.ts";
import { newOAuthClientId } from "../../core/ids.ts";
import type { Secret } from "../../core/secret.ts";
import type { OAuthClientId, WorkspaceId } from "../../core/types.ts";
import type { Transaction } from "../../store/operation.ts";
import { deleteClient, insertClient, registeredClient, replaceSecret } from "../../store/queries/clients.ts";
import { changeStatus, clearMisconfigured, connectionsOfClient } from "../../store/queries/connections.ts";
import { requireWorkspace } from "../../store/queries/owners.ts";
import type { OAuthClientRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext } from "../../vault/seal.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import { emit } from "../events/events.ts";
import type { Ground } from "../ground.ts";

/** Seal scope of records that belong to no single app. */
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
  /** Null for a client of the installation. */
  readonly workspace_id: WorkspaceId | null;
  readonly integration_type: string;
  readonly client_id: string;
  readonly shared_callback: boolean;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface NewClient {
  /** Null or unset for a client of the installation. */
  readonly workspace_id?: WorkspaceId | null;
  readonly integration_type: string;
  readonly client_id: string;
  readonly client_secret: Secret;
  readonly shared_callback: boolean;
}

export interface OAuthClients {
  /**
   * Registers a client for a service, or replaces its secret. A new client id ends the connections
   * of the previous one (`client_changed`).
   *
   * @throws CodedError `invalid_field`
   */
  set(client: NewClient): Promise<ClientSummary>;
  /** Returns the clients of a workspace, of the installation (null), or all of them (unset). */
  list(workspace_id?: WorkspaceId | null): Promise<readonly ClientSummary[]>;
  /** Removes a client. Its connections need a new consent. @throws CodedError `not_found` */
  remove(integration_type: string, workspace_id?: WorkspaceId | null): Promise<void>;
  /** Returns a client with its secret, or null if it was removed. */
  open(id: OAuthClientId): Promise<OpenClient | null>;
  /**
   * Returns the client for a new consent: the workspace's own, else the installation's if it serves
   * this workspace.
   */
  find(workspace_id: WorkspaceId, integration_type: string): Promise<OAuthClientRow | null>;
}

type ClientDeps = Pick<Ground, "store" | "vault" | "catalog"> & { readonly cache: TokenCache };

export function createOAuthClients(deps: ClientDeps): OAuthClients {
  return {
    set: (client) => setClient(deps, client),
    list: (workspace_id) => listClients(deps, workspace_id),
    remove: (integration_type, workspace_id = null) => removeClient(deps, integration_type, workspace_id),
    open: (id) => openClient(deps, id),
    find: (workspace_id, integration_type) => findClient(deps, workspace_id, integration_type),
  };
}

async function setClient(
  { store, vault, catalog, cache }: ClientDeps,
  { workspace_id = null, integration_type, client_id, client_secret, shared_callback }: NewClient,
): Promise<ClientSummary> {
  catalog.require(integration_type);
  requireMatch("client_id", client_id, CLIENT_ID_PATTERN, "1 to 512 visible ASCII characters");
  requireMatch("client_secret", client_secret.expose(), SECRET_PATTERN, "1 to 4096 ASCII characters on one line");
  const current = await store.registeredClient(workspace_id, integration_type);
  const is_same = current?.client_id === client_id;
  const id = is_same ? current.id : newOAuthClientId();
  const sealed_secret = await vault.seal(secretContext(id, workspace_id), client_secret);
  await store.transaction(async (tx) => {
    if (workspace_id !== null) await requireWorkspace(tx, workspace_id);
    if (is_same) {
      await replaceSecret(tx, id, { sealed_secret, shared_callback });
      await clearMisconfigured(tx, id);
      return;
    }
    if (current !== null) await retire(tx, current.id);
    await insertClient(tx, { id, workspace_id, integration_type, client_id, sealed_secret, shared_callback });
  });
  // Drop everything. The connections of a replaced client have ended, and tracking them is not
  // worth the effort.
  cache.clear();
  const saved = await store.getClient(id);
  if (saved === null) throw new CodedError("internal");
  return summary(saved);
}

function requireMatch(name: string, value: string, pattern: RegExp, message: string): void {
  if (!pattern.test(value)) throw new CodedError("invalid_field", { errors: [{ name, message }] });
}

async function listClients(
  { store }: ClientDeps,
  workspace_id: WorkspaceId | null | undefined,
): Promise<readonly ClientSummary[]> {
  const all = await store.listClients();
  return all.filter((client) => workspace_id === undefined || client.workspace_id === workspace_id).map(summary);
}

async function removeClient(
  { store, cache }: ClientDeps,
  integration_type: string,
  workspace_id: WorkspaceId | null,
): Promise<void> {
  const is_removed = await store.transaction(async (tx) => {
    const client = await registeredClient(tx, workspace_id, integration_type);
    if (client === null) return false;
    await retire(tx, client.id);
    return true;
  });
  cache.clear();
  if (!is_removed) throw new CodedError("not_found", { message: `No OAuth client is set for ${integration_type}.` });
}

async function openClient({ store, vault }: ClientDeps, id: OAuthClientId): Promise<OpenClient | null> {
  const client = await store.getClient(id);
  if (client === null) return null;
  const { client_id, workspace_id, sealed_secret } = client;
  const client_secret = await vault.open(secretContext(id, workspace_id), sealedFromStorage(sealed_secret));
  return { id, client_id, client_secret };
}

async function findClient(
  { store }: ClientDeps,
  workspace_id: WorkspaceId,
  integration_type: string,
): Promise<OAuthClientRow | null> {
  const client = await store.findClient(workspace_id, integration_type);
  if (client === null || client.workspace_id !== null) return client;
  return (await store.installationSharing(workspace_id)).serves ? client : null;
}

const secretContext = (id: OAuthClientId, workspace_id: WorkspaceId | null): SealContext => ({
  table: "oauth_clients",
  column: "secret",
  scope: workspace_id ?? INSTALLATION,
  row_id: id,
  generation: 0,
});

/** Deletes a client and ends its connections: their tokens can never be refreshed again. */
async function retire(tx: Transaction, client_id: OAuthClientId): Promise<void> {
  for (const { id, generation, status } of await connectionsOfClient(tx, client_id)) {
    if (status !== "active") continue;
    const reason = "client_changed";
    const changed = await changeStatus(tx, { id, generation, status: "expired", reason, confirm_in_ms: null });
    if (changed !== null) await emit(tx, "connection.needs_reconnect", changed);
  }
  await deleteClient(tx, client_id);
}

function summary(row: OAuthClientRow): ClientSummary {
  const { id, workspace_id, integration_type, client_id, shared_callback, created_at, updated_at } = row;
  return { id, workspace_id, integration_type, client_id, shared_callback, created_at, updated_at };
}
