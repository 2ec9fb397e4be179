/**
 * Events: what happened to a connection, for people and programs outside. Written to the outbox in the transaction that
 * makes them true, so that none is lost and none is invented; service/events/webhooks.ts takes them from there.
 */
import type { EventType } from "../../core/events.ts";
import { newId } from "../../core/ids.ts";
import type { Transaction } from "../../store/operation.ts";
import { enqueue } from "../../store/queries/outbox.ts";
import type { ConnectionRow } from "../../store/tables.ts";

export type { EventType } from "../../core/events.ts";

/**
 * `connection.refreshed` is not for everyone: emit it only where `config.events_wanted` has it.
 *
 * @param details further fields of the event's `data`; nothing secret
 */
export async function emit(
  tx: Transaction,
  type: EventType,
  row: Pick<ConnectionRow, "app_id" | "id" | "integration_type" | "reason" | "account_label">,
  details: Readonly<Record<string, number | string | readonly string[]>> = {},
): Promise<void> {
  const { app_id, id, integration_type, reason, account_label } = row;
  const payload = {
    type,
    at: tx.now,
    app_id,
    connection_id: id,
    integration_type,
    reason,
    account: account_label,
    ...details,
  };
  await enqueue(tx, { app_id, id: newId("evt"), kind: "event", connection_id: id, payload, sealed: null });
}
