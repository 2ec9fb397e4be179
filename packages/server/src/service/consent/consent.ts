/**
 * A consent that the provider has confirmed, and the connection that it becomes. One of the account that is connected already,
 * or of the first, is stored at once. One of another account is kept aside, sealed in its flow, until the initiator has said
 * on a page of ours that the app is to use that account from now on; if nobody says so in time, its tokens are revoked.
 */
import { ApiError } from "../../core/errors.ts";
import { asOAuthClientId, newConnectionId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import {
  isJsonObject,
  plus,
  stringEntries,
  type Account,
  type ConnectionConfig,
  type FlowId,
} from "../../core/types.ts";
import { declareConnector } from "../../store/queries/apps.ts";
import { putConnection } from "../../store/queries/connections.ts";
import { finishFlow, holdFlow } from "../../store/queries/flows.ts";
import { endOutbox, enqueue, postponeOutbox } from "../../store/queries/outbox.ts";
import type { Transaction } from "../../store/operation.ts";
import type { ConnectionRow, FlowRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext } from "../../vault/seal.ts";
import type { Audit } from "../audit.ts";
import { emit } from "../events/events.ts";
import { grantColumns, NOTHING_BEFORE, parseGrant, serializeGrant, type Grant } from "../grants/grant.ts";
import type { TokenRevocations } from "../grants/revocation.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { Ground } from "../ground.ts";

/** A row that moves at each try means a storm of consents for one connection; three tries outlast any real race. */
const PUT_TRIES = 3;
/** A decision that came in time must not meet the revocation half-way. */
const REVOKE_AFTER_MS = 60_000;

export interface Consent {
  readonly oauth_client_id: ConnectionRow["oauth_client_id"];
  readonly grant: Grant;
  readonly requested_scopes: readonly string[];
  readonly account: Account;
  readonly config: ConnectionConfig;
}

/** Two accounts at the provider, by the names that people know them by. */
export interface AccountChange {
  readonly connected: string | null;
  readonly consented: string | null;
}

export interface Consents {
  /** Stores it, or keeps it aside. */
  take(flow: FlowRow, consent: Consent): Promise<void>;
  /** What waits for a decision; null when nothing does. */
  waiting(flow: FlowRow): Promise<AccountChange | null>;
  /** The initiator has decided. @throws ApiError `flow_not_found`, `flow_user_mismatch`, `flow_expired` */
  decide(id: FlowId, principal: string, decision: "replace" | "keep"): Promise<void>;
}

export interface ConsentDeps extends Pick<Ground, "store" | "vault" | "catalog" | "clock" | "limits" | "log"> {
  readonly revocations: TokenRevocations;
  readonly cache: TokenCache;
  readonly audit: Audit;
}

/** As it is sealed: the outbox item is the revocation that a decision in time calls off. */
interface Held extends Consent {
  readonly revocation_id: string | null;
}

const heldContext = (flow: Pick<FlowRow, "app_id" | "id">): SealContext => ({
  table: "flows",
  column: "held",
  scope: flow.app_id,
  row_id: flow.id,
  generation: 0,
});

export function createConsents(deps: ConsentDeps): Consents {
  const { store, vault, catalog, revocations, cache, audit, clock, limits, log } = deps;

  async function take(flow: FlowRow, consent: Consent): Promise<void> {
    const seen = await store.findConnection(flow.app_id, flow.integration_type);
    if (seen !== null && isOther(seen.account_id, consent.account.id)) return hold(flow, seen, consent);
    await put(flow, consent);
  }

  async function hold(flow: FlowRow, seen: ConnectionRow, consent: Consent): Promise<void> {
    const { account, config, oauth_client_id, grant } = consent;
    const revocation = await revocations.prepareTokens(
      { ...seen, oauth_client_id, account_id: account.id, config },
      grant,
    );
    const held: Held = { ...consent, revocation_id: revocation?.id ?? null };
    const sealed = await vault.seal(heldContext(flow), serializeHeld(held));
    const ttl_ms = limits.flow_ttl_ms;
    await store.transaction(async (tx) => {
      if (!(await holdFlow(tx, flow.id, sealed, ttl_ms))) throw new ApiError("state_used");
      if (revocation === null) return;
      await enqueue(tx, revocation);
      await postponeOutbox(tx, revocation.id, 0, plus(tx.now, ttl_ms + REVOKE_AFTER_MS));
    });
    note(flow, "account_changed");
    log.info("account_changed", { flow_id: flow.id, integration_type: flow.integration_type });
  }

  async function put(flow: FlowRow, consent: Consent, callOff: (tx: Transaction) => Promise<void> = nothing) {
    const provider = catalog.require(flow.integration_type);
    const { grant, account, requested_scopes, config, oauth_client_id } = consent;
    for (let attempt = 1; attempt <= PUT_TRIES; attempt += 1) {
      const seen = await store.findConnection(flow.app_id, flow.integration_type);
      const target = {
        app_id: flow.app_id,
        id: seen?.id ?? newConnectionId(),
        generation: (seen?.generation ?? 0) + 1,
      };
      const columns = await grantColumns(vault, provider, target, grant, NOTHING_BEFORE);
      const consented = {
        ...columns,
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
      const done = await store.transaction(async (tx) => {
        if (!(await putConnection(tx, consented, seen))) return false;
        await callOff(tx);
        await declareConnector(tx, flow.app_id, flow.integration_type, flow.scopes);
        await finishFlow(tx, flow.id, "connected", target.id);
        await emit(tx, "connection.connected", { ...consented, reason: null });
        return true;
      });
      if (done) {
        cache.drop(flow);
        note(flow, "connected");
        log.info("connected", {
          flow_id: flow.id,
          app_id: flow.app_id,
          connection_id: target.id,
          integration_type: flow.integration_type,
        });
        return;
      }
    }
    throw new ApiError("database_busy");
  }

  async function waiting(flow: FlowRow): Promise<AccountChange | null> {
    const held = await open(flow);
    if (held === null) return null;
    const seen = await store.findConnection(flow.app_id, flow.integration_type);
    return {
      connected: seen === null ? null : (seen.account_label ?? seen.account_email ?? seen.account_id),
      consented: held.account.label ?? held.account.email ?? held.account.id,
    };
  }

  async function decide(id: FlowId, principal: string, decision: "replace" | "keep"): Promise<void> {
    const flow = await store.getFlow(id);
    if (flow === null) throw new ApiError("flow_not_found");
    if (flow.initiator !== principal) throw new ApiError("flow_user_mismatch");
    // Pressed twice: the page that follows says how it ended.
    if (flow.outcome !== null) return;
    const held = await open(flow);
    if (held === null) throw new ApiError("flow_not_found");
    if (flow.expires_at <= clock.now()) throw new ApiError("flow_expired");
    const { revocation_id } = held;
    if (decision === "replace") {
      await put(flow, held, async (tx) => {
        if (revocation_id !== null && !(await endOutbox(tx, revocation_id))) throw new ApiError("flow_expired");
      });
      return;
    }
    await store.transaction(async (tx) => {
      await finishFlow(tx, flow.id, "account_changed", null);
      if (revocation_id !== null) await postponeOutbox(tx, revocation_id, 0, tx.now);
    });
    note(flow, "account_kept");
  }

  /** Null: nothing is held in this flow. A flow that was not taken yet has its verifier sealed there instead. */
  async function open(flow: FlowRow): Promise<Held | null> {
    if (flow.taken_at === null || flow.outcome !== null || flow.sealed_request === null) return null;
    return parseHeld(await vault.open(heldContext(flow), sealedFromStorage(flow.sealed_request)));
  }

  function note(flow: FlowRow, outcome: string): void {
    audit.record({
      app_id: flow.app_id,
      actor: `user:${flow.initiator}`,
      action: `consent.${outcome}`,
      target: flow.integration_type,
      request_id: null,
    });
  }

  return { take, waiting, decide };
}

function isOther(connected: string | null, consented: string | null): boolean {
  return connected !== null && consented !== null && connected !== consented;
}

function serializeHeld({ grant, ...rest }: Held): Secret {
  return new Secret(JSON.stringify({ ...rest, grant: serializeGrant(grant).expose() }));
}

function parseHeld(text: Secret): Held | null {
  const value: unknown = JSON.parse(text.expose());
  if (!isJsonObject(value) || !isJsonObject(value["account"])) return null;
  const { grant: grant_text, oauth_client_id, requested_scopes, revocation_id } = value;
  if (typeof grant_text !== "string" || typeof oauth_client_id !== "string" || !Array.isArray(requested_scopes))
    return null;
  const grant = parseGrant(new Secret(grant_text));
  if (grant === null) return null;
  const { id, label, email } = value["account"];
  return {
    grant,
    oauth_client_id: asOAuthClientId(oauth_client_id),
    requested_scopes: requested_scopes.filter((scope) => typeof scope === "string"),
    account: { id: textOrNull(id), label: textOrNull(label), email: textOrNull(email) },
    config: stringEntries(value["config"]),
    revocation_id: textOrNull(revocation_id),
  };
}

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

async function nothing(): Promise<void> {}
