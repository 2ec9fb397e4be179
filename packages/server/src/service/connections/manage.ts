/** Lists, disconnects and removes connections. */
import { CodedError } from "../../core/errors.ts";
import { ID_PATTERN } from "../../core/ids.ts";
import type { AppId } from "../../core/types.ts";
import { removeConnector } from "../../store/queries/apps.ts";
import { changeStatus, deleteConnection } from "../../store/queries/connections.ts";
import { enqueue } from "../../store/queries/outbox.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { emit } from "../events/events.ts";
import { notGranted } from "../grants/grant.ts";
import type { ConnectionsDeps, ConnectionSummary } from "./types.ts";

export async function list({ store }: ConnectionsDeps, app_id: AppId): Promise<readonly ConnectionSummary[]> {
  const connectors = await store.listConnectors(app_id);
  const declared = new Map(connectors.map(({ integration_type, scopes }) => [integration_type, scopes]));
  return (await store.listConnections(app_id)).map((row) => ({
    integration_type: row.integration_type,
    status: row.status,
    reason: row.reason,
    scopes: declared.get(row.integration_type) ?? [],
    missing_scopes: notGranted(row),
    account: { id: row.account_id, label: row.account_label, email: row.account_email },
    connected_at: row.created_at,
  }));
}

export async function disconnect(deps: ConnectionsDeps, app_id: AppId, integration_type: string): Promise<void> {
  const { store, revocations, cache } = deps;
  const row = await findKnown(deps, app_id, integration_type);
  if (row === null || row.status === "disconnected") return;
  const { id, generation } = row;
  const revocation = await revocations.prepare(row);
  const is_done = await store.transaction(async (tx) => {
    const reason = "disconnected_by_builder";
    const after = await changeStatus(tx, { id, generation, status: "disconnected", reason, confirm_in_ms: null });
    if (after === null) return false;
    if (revocation !== null) await enqueue(tx, revocation);
    await emit(tx, "connection.disconnected", after);
    return true;
  });
  cache.drop(row);
  // A refresh committed meanwhile. Its new tokens must be disconnected too.
  if (!is_done) await disconnect(deps, app_id, integration_type);
}

/**
 * Finds a connection. A service that was removed from the catalog can still be disconnected if it
 * is connected.
 *
 * @throws CodedError `invalid_service`, `unknown_service`
 */
async function findKnown(
  { store, catalog }: ConnectionsDeps,
  app_id: AppId,
  integration_type: string,
): Promise<ConnectionRow | null> {
  if (!ID_PATTERN.test(integration_type)) throw new CodedError("invalid_service");
  const row = await store.findConnection(app_id, integration_type);
  if (row === null) catalog.require(integration_type);
  return row;
}

export async function remove(deps: ConnectionsDeps, app_id: AppId, integration_type: string): Promise<void> {
  const { store, cache } = deps;
  await disconnect(deps, app_id, integration_type);
  const row = await store.findConnection(app_id, integration_type);
  await store.transaction(async (tx) => {
    if (row !== null) await deleteConnection(tx, row.id);
    await removeConnector(tx, app_id, integration_type);
  });
  if (row !== null) cache.drop(row);
}
