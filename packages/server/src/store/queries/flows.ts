/**
 * Pending consents. A flow is started, consumed and finished once. Each step is a compare-and-set.
 */
import { plus, type ConnectionId, type FlowId, type Instant } from "../../core/types.ts";
import { all, run, type Transaction } from "../operation.ts";
import { FLOW } from "../rows.ts";
import type { FlowRow, FlowsTable } from "../tables.ts";

const COLUMNS = [
  "app_id",
  "id",
  "integration_type",
  "initiator",
  "scopes",
  "config",
  "return_to",
  "created_at",
  "expires_at",
  "oauth_client_id",
  "redirect_uri",
  "vendor",
  "state_hash",
  "browser_hash",
  "sealed_request",
  "taken_at",
  "finished_at",
  "outcome",
  "connection_id",
] as const satisfies readonly (keyof FlowsTable)[];

export type NewFlow = Pick<
  FlowRow,
  "app_id" | "id" | "integration_type" | "initiator" | "scopes" | "config" | "return_to"
>;

export type FlowCreation = { readonly kind: "created"; readonly flow: FlowRow } | { readonly kind: "too_many" };

/**
 * Creates a flow for a request.
 *
 * A repeated request returns the same flow, with its full time, while the flow waits for the first
 * click. Clients repeat a PUT whose reply was lost.
 */
export async function createFlow(
  { db, now }: Transaction,
  wanted: NewFlow,
  limits: { ttl_ms: number; pending: number },
): Promise<FlowCreation> {
  const pending = await all(
    db
      .selectFrom("flows")
      .select(COLUMNS)
      .where("initiator", "=", wanted.initiator)
      .where("app_id", "=", wanted.app_id)
      .where("outcome", "is", null)
      .where("expires_at", ">", now),
  );
  const expires_at = plus(now, limits.ttl_ms);
  const stored = FLOW.encode(wanted);
  const same = pending.find(
    (flow) =>
      flow.state_hash === null &&
      flow.integration_type === stored.integration_type &&
      flow.scopes === stored.scopes &&
      flow.config === stored.config &&
      flow.return_to === stored.return_to,
  );
  if (same !== undefined) {
    await run(db.updateTable("flows").set({ expires_at }).where("id", "=", same.id));
    return { kind: "created", flow: FLOW.decode({ ...same, expires_at }) };
  }
  if (pending.length >= limits.pending) return { kind: "too_many" };
  const flow: FlowsTable = {
    ...stored,
    created_at: now,
    expires_at,
    oauth_client_id: null,
    redirect_uri: null,
    vendor: null,
    state_hash: null,
    browser_hash: null,
    sealed_request: null,
    taken_at: null,
    finished_at: null,
    outcome: null,
    connection_id: null,
  };
  await run(db.insertInto("flows").values(flow));
  return { kind: "created", flow: FLOW.decode(flow) };
}

export async function getFlow({ db }: Transaction, id: FlowId): Promise<FlowRow | null> {
  return await FLOW.first(db.selectFrom("flows").select(COLUMNS).where("id", "=", id));
}

export async function findFlowByState({ db }: Transaction, state_hash: string): Promise<FlowRow | null> {
  return await FLOW.first(db.selectFrom("flows").select(COLUMNS).where("state_hash", "=", state_hash));
}

export type FlowStart = Pick<
  FlowRow,
  "oauth_client_id" | "redirect_uri" | "vendor" | "state_hash" | "browser_hash" | "sealed_request" | "config"
>;

/**
 * Stores the state after the initiator clicked Connect. Another click before the provider's
 * response replaces it.
 */
export async function startFlow({ db, now }: Transaction, id: FlowId, start: FlowStart): Promise<boolean> {
  const update = db
    .updateTable("flows")
    .set(FLOW.encode(start))
    .where("id", "=", id)
    .where("taken_at", "is", null)
    .where("outcome", "is", null)
    .where("expires_at", ">", now);
  return (await run(update)) === 1;
}

/**
 * Consumes the flow of a state, once: a second call returns null. Returns the flow with its sealed
 * secrets, which are erased from the row. The row stays, so that a second use can be distinguished
 * from an unknown state.
 */
export async function consumeFlow(tx: Transaction, state_hash: string): Promise<FlowRow | null> {
  const { db, now } = tx;
  const flow = await findFlowByState(tx, state_hash);
  if (flow === null || flow.taken_at !== null || flow.outcome !== null || flow.expires_at <= now) return null;
  const update = db
    .updateTable("flows")
    .set({ taken_at: now, sealed_request: null })
    .where("id", "=", flow.id)
    .where("taken_at", "is", null);
  return (await run(update)) === 1 ? { ...flow, taken_at: now } : null;
}

/** Keeps the sealed tokens of a consent that waits for the initiator's decision, for `ttl_ms`. */
export async function holdFlow(
  { db, now }: Transaction,
  id: FlowId,
  sealed_request: Uint8Array,
  ttl_ms: number,
): Promise<boolean> {
  const update = db
    .updateTable("flows")
    .set({ sealed_request, expires_at: plus(now, ttl_ms) })
    .where("id", "=", id)
    .where("taken_at", "is not", null)
    .where("outcome", "is", null);
  return (await run(update)) === 1;
}

export async function finishFlow(
  { db, now }: Transaction,
  id: FlowId,
  outcome: string,
  connection_id: ConnectionId | null,
): Promise<void> {
  const update = db
    .updateTable("flows")
    .set({ outcome, connection_id, finished_at: now, sealed_request: null })
    .where("id", "=", id)
    .where("outcome", "is", null);
  await run(update);
}

/** Deletes flows that expired before `before`. */
export async function deleteOldFlows({ db }: Transaction, before: Instant): Promise<number> {
  return await run(db.deleteFrom("flows").where("expires_at", "<", before));
}
