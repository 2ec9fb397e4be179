/**
 * A consent that the provider confirmed, and the connection it becomes. A consent of the connected
 * account, or the first one, is stored at once. A consent of another account is held, sealed in its
 * flow, until the builder decides on a page which account the app uses. Without a decision in time,
 * its tokens are revoked.
 */
import { CodedError } from "../../core/errors.ts";
import { newConnectionId } from "../../core/ids.ts";
import { plus, type Account, type ConnectionConfig, type FlowId } from "../../core/types.ts";
import type { Transaction } from "../../store/operation.ts";
import { declareConnector } from "../../store/queries/apps.ts";
import { putConnection } from "../../store/queries/connections.ts";
import { finishFlow, holdFlow } from "../../store/queries/flows.ts";
import { endOutbox, enqueue, postponeOutbox } from "../../store/queries/outbox.ts";
import type { ConnectionRow, FlowRow } from "../../store/tables.ts";
import type { Audit } from "../audit.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import { emit } from "../events/events.ts";
import { grantColumns, NOTHING_BEFORE, type Grant } from "../grants/grant.ts";
import type { Revocations } from "../grants/revocation.ts";
import type { Ground } from "../ground.ts";
import { ownFlow, recordOutcome } from "./flow.ts";
import { openHeld, sealHeld } from "./held.ts";

/**
 * Three tries outlast any real race. A row that still changes means a storm of consents for one
 * connection.
 */
const STORE_TRIES = 3;
/**
 * Longer than the time for the decision, so that the revocation never overlaps with a decision in
 * time.
 */
const REVOKE_AFTER_MS = 60_000;

export interface Consent {
  readonly oauth_client_id: ConnectionRow["oauth_client_id"];
  readonly grant: Grant;
  readonly requested_scopes: readonly string[];
  readonly account: Account;
  readonly config: ConnectionConfig;
}

/** Two accounts at the provider, by the names users know. */
export interface AccountChange {
  readonly connected: string | null;
  readonly consented: string | null;
}

export interface Consents {
  /** Stores the consent, or holds it when it is for another account. */
  take(flow: FlowRow, consent: Consent): Promise<void>;
  /** Returns the accounts to choose between, or null when no decision is pending. */
  waiting(flow: FlowRow): Promise<AccountChange | null>;
  /**
   * Carries out the builder's decision.
   *
   * @throws CodedError `flow_not_found`, `flow_user_mismatch`, `flow_expired`
   */
  decide(id: FlowId, principal: string, decision: "replace" | "keep"): Promise<void>;
}

interface ConsentDeps extends Pick<Ground, "store" | "vault" | "catalog" | "clock" | "limits" | "log"> {
  readonly revocations: Revocations;
  readonly cache: TokenCache;
  readonly audit: Audit;
}

export function createConsents(deps: ConsentDeps): Consents {
  return {
    take: (flow, consent) => take(deps, flow, consent),
    waiting: (flow) => waiting(deps, flow),
    decide: (id, principal, decision) => decide(deps, id, principal, decision),
  };
}

async function take(deps: ConsentDeps, flow: FlowRow, consent: Consent): Promise<void> {
  const current = await deps.store.findConnection(flow.app_id, flow.integration_type);
  if (current !== null && isOther(current.account_id, consent.account.id)) await hold(deps, flow, current, consent);
  else await connect(deps, flow, current, consent);
}

function isOther(connected: string | null, consented: string | null): boolean {
  return connected !== null && consented !== null && connected !== consented;
}

async function hold(deps: ConsentDeps, flow: FlowRow, current: ConnectionRow, consent: Consent): Promise<void> {
  const { store, vault, revocations, audit, limits, log } = deps;
  const { account, config, oauth_client_id, grant } = consent;
  const issued_to = { ...current, oauth_client_id, account_id: account.id, config };
  const revocation = await revocations.prepareTokens(issued_to, grant);
  const sealed = await sealHeld(vault, flow, { ...consent, revocation_id: revocation?.id ?? null });
  const ttl_ms = limits.flow_ttl_ms;
  await store.transaction(async (tx) => {
    if (!(await holdFlow(tx, flow.id, sealed, ttl_ms))) throw new CodedError("state_used");
    if (revocation === null) return;
    await enqueue(tx, revocation);
    await postponeOutbox(tx, revocation.id, 0, plus(tx.now, ttl_ms + REVOKE_AFTER_MS));
  });
  recordOutcome(audit, flow, "account_changed");
  log.info("account_changed", { flow_id: flow.id, integration_type: flow.integration_type });
}

/**
 * Stores the consent as the app's connection, in place of the current one.
 *
 * @param also runs in the same transaction
 * @throws CodedError `database_busy` when other consents keep replacing the connection
 */
async function connect(
  deps: ConsentDeps,
  flow: FlowRow,
  current: ConnectionRow | null,
  consent: Consent,
  also?: (tx: Transaction) => Promise<void>,
): Promise<void> {
  const { store, cache, audit, log } = deps;
  const { id: flow_id, app_id, integration_type } = flow;
  let replaced = current;
  for (let attempt = 1; attempt <= STORE_TRIES; attempt += 1) {
    const row = await rowOf(deps, flow, replaced, consent);
    const is_stored = await store.transaction(async (tx) => {
      if (!(await putConnection(tx, row, replaced))) return false;
      await also?.(tx);
      await declareConnector(tx, app_id, integration_type, flow.scopes);
      await finishFlow(tx, flow_id, "connected", row.id);
      await emit(tx, "connection.connected", { ...row, reason: null });
      return true;
    });
    if (is_stored) {
      cache.drop(flow);
      recordOutcome(audit, flow, "connected");
      log.info("connected", { flow_id, app_id, connection_id: row.id, integration_type });
      return;
    }
    replaced = await store.findConnection(app_id, integration_type);
  }
  throw new CodedError("database_busy");
}

/** Returns the connection's new row, with the tokens sealed for it. */
async function rowOf(
  { vault, catalog }: ConsentDeps,
  flow: FlowRow,
  replaced: ConnectionRow | null,
  { grant, account, requested_scopes, config, oauth_client_id }: Consent,
) {
  const provider = catalog.require(flow.integration_type);
  const target = {
    app_id: flow.app_id,
    id: replaced?.id ?? newConnectionId(),
    generation: (replaced?.generation ?? 0) + 1,
  };
  return {
    ...(await grantColumns(vault, provider, target, grant, NOTHING_BEFORE)),
    ...target,
    integration_type: flow.integration_type,
    account_id: account.id,
    account_label: account.label,
    account_email: account.email,
    scopes_requested: requested_scopes,
    scopes_granted: grant.scopes ?? requested_scopes,
    config,
    oauth_client_id,
    connected_by: flow.initiator,
  };
}

async function waiting({ store, vault }: ConsentDeps, flow: FlowRow): Promise<AccountChange | null> {
  const held = await openHeld(vault, flow);
  if (held === null) return null;
  const current = await store.findConnection(flow.app_id, flow.integration_type);
  return {
    connected: current === null ? null : (current.account_label ?? current.account_email ?? current.account_id),
    consented: held.account.label ?? held.account.email ?? held.account.id,
  };
}

async function decide(deps: ConsentDeps, id: FlowId, principal: string, decision: "replace" | "keep"): Promise<void> {
  const { store, vault, audit, clock } = deps;
  const flow = await ownFlow(deps, id, principal);
  // The button was pressed twice. The next page shows the outcome.
  if (flow.outcome !== null) return;
  const held = await openHeld(vault, flow);
  if (held === null) throw new CodedError("flow_not_found");
  if (flow.expires_at <= clock.now()) throw new CodedError("flow_expired");
  const { revocation_id } = held;
  if (decision === "replace") {
    const current = await store.findConnection(flow.app_id, flow.integration_type);
    await connect(deps, flow, current, held, async (tx) => {
      if (revocation_id !== null && !(await endOutbox(tx, revocation_id))) throw new CodedError("flow_expired");
    });
    return;
  }
  await store.transaction(async (tx) => {
    await finishFlow(tx, flow.id, "account_changed", null);
    if (revocation_id !== null) await postponeOutbox(tx, revocation_id, 0, tx.now);
  });
  recordOutcome(audit, flow, "account_kept");
}
