/**
 * Events: what happened to a connection, for people and programs outside. Written to the outbox in the transaction that
 * makes them true, so that none is lost and none is invented; delivery is the outbox's business.
 */
import { newId } from "../core/ids.ts";
import type { Operation, Transaction } from "../store/operation.ts";
import { enqueue } from "../store/queries/system.ts";
import type { ConnectionRow } from "../store/tables.ts";

export type EventType =
  | "connection.connected"
  | "connection.needs_reconnect"
  | "connection.recovered"
  /** The refresh token ends in `days`, 7 or 1, whatever is done; only a new consent helps. */
  | "connection.expiring_soon"
  | "connection.disconnected";

export function* emit(
  tx: Transaction,
  type: EventType,
  row: Pick<ConnectionRow, "app_id" | "id" | "integration_type" | "reason" | "account_label">,
  details: Readonly<Record<string, number>> = {},
): Operation<void> {
  const { app_id, id, integration_type, reason, account_label } = row;
  const payload = JSON.stringify({
    type,
    at: tx.now,
    app_id,
    connection_id: id,
    integration_type,
    reason,
    account: account_label,
    ...details,
  });
  yield* enqueue(tx, { app_id, id: newId("evt"), kind: "event", connection_id: id, payload, sealed: null });
}
