/**
 * The events room owns the events of connections and their delivery to the operator's receiver. An
 * event is written to the outbox in the transaction that makes it true, so none is lost and none is
 * false. webhooks.ts delivers it from there. Must not know refresh, consent or tokens.
 */
import type { EventType } from "../../core/events.ts";
import { newId } from "../../core/ids.ts";
import type { Transaction } from "../../store/operation.ts";
import { enqueue } from "../../store/queries/outbox.ts";
import type { ConnectionRow } from "../../store/tables.ts";

export type { EventType } from "../../core/events.ts";

/**
 * Writes an event to the outbox. Call it for `connection.refreshed` only if `config.events_wanted`
 * includes that.
 *
 * @param details further fields of the event's `data`. No secrets
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
