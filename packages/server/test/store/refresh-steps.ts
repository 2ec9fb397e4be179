/** Steps of a refresh, for the suites of the store. */
import { changeStatus } from "../../src/store/queries/connections.ts";
import type { RefreshFailure } from "../../src/store/queries/refresh.ts";
import type { Store } from "../../src/store/store.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import { claimOf, stored } from "./rows.ts";

/** The lease of claimOf. */
export const LEASE_MS = 20_000;

export const failure = (row: ConnectionRow, attempt: number, change: Partial<RefreshFailure> = {}): RefreshFailure => ({
  id: row.id,
  attempt,
  fail_class: "not_consumed",
  retry_in_ms: 9_000,
  keep_intent: false,
  ...change,
});

export const end = (
  store: Store,
  row: ConnectionRow,
  status: "expired" | "disconnected",
  confirm_in_ms: number | null = null,
) =>
  store.transaction((tx) =>
    changeStatus(tx, { id: row.id, generation: row.generation, status, reason: "revoked", confirm_in_ms }),
  );

/** Stores a connection and claims its refresh. */
export async function claimed(store: Store): Promise<ConnectionRow> {
  const row = await stored(store);
  await store.claimRefresh(claimOf(row));
  return row;
}
