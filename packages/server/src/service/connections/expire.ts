/** Ends a connection whose token is dead and cannot be refreshed. */
import type { ReasonCode } from "../../core/status.ts";
import { changeStatus } from "../../store/queries/connections.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { emit } from "../events/events.ts";
import { ended } from "./refuse.ts";
import type { ConnectionsDeps } from "./types.ts";

/**
 * Expires the connection, unless its row has changed since. Returns the new row, or null if it had
 * changed.
 */
export async function expire(
  { store, cache }: ConnectionsDeps,
  row: ConnectionRow,
  reason: ReasonCode,
): Promise<ConnectionRow | null> {
  const { id, generation } = row;
  const expired = await store.transaction(async (tx) => {
    const after = await changeStatus(tx, { id, generation, status: "expired", reason, confirm_in_ms: null });
    if (after !== null) await emit(tx, "connection.needs_reconnect", after);
    return after;
  });
  cache.drop(row);
  return expired;
}

/** Expires the connection. @throws CodedError always: there is no token to serve */
export async function expireNow(deps: ConnectionsDeps, row: ConnectionRow, reason: ReasonCode): Promise<never> {
  const expired = await expire(deps, row, reason);
  throw ended(deps, expired ?? { ...row, status: "expired", reason });
}
