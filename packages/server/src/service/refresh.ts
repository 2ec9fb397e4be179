/**
 * Refreshing a connection's tokens. The only module that sends a refresh token anywhere; the hot path, the sweeper and
 * forced refreshes all come through here.
 *
 * Intent, send, lineage commit. A lease and an intent are durable before any byte leaves, so a crash is noticed and a
 * second node does not call: many providers revoke the whole grant when a rotated refresh token is used twice (RFC 9700
 * §4.14.2). The answer goes to the spill first, then to the row, where lineage decides: it counts if it descends from the
 * stored refresh token, even when the lease ran out, since a paused holder's answer may be the only valid one.
 *
 * Knows no provider, no HTTP and no SQL. Times are Instants. What a provider does is a value, never an exception.
 */
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { delay } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { ReasonCode } from "../core/status.ts";
import { plus, type ConnectionId, type Instant, type OAuthClientId } from "../core/types.ts";
import type { OAuthClient } from "../oauth/client.ts";
import type { TokenOutcome } from "../oauth/outcome.ts";
import type { Catalog } from "../providers/index.ts";
import { rotationClass, type Provider, type RotationClass } from "../providers/provider.ts";
import { changeStatus, commitRefresh, type Claim, type Urgency } from "../store/queries/connections.ts";
import type { Store } from "../store/store.ts";
import type { ConnectionRow, FailClass } from "../store/tables.ts";
import type { Log } from "../telemetry/log.ts";
import { sealedFromStorage, type Vault } from "../vault/seal.ts";
import { nextAttempt_ms, readerRetry_ms } from "./backoff.ts";
import { INSTALLATION, type OAuthClients, type OpenClient } from "./clients.ts";
import { emit } from "./events.ts";
import {
  grantColumns,
  grantOf,
  parseConfig,
  parseGrant,
  parseList,
  sealContext,
  serializeGrant,
  type Grant,
} from "./grant.ts";
import type { Spill } from "./spill.ts";
import { createThrottle, type Permit } from "./throttle.ts";

export interface RefreshDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly oauth: OAuthClient;
  readonly catalog: Catalog;
  readonly clients: OAuthClients;
  readonly spill: Spill;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  readonly random: () => number;
  /** Names this process in leases; new at every start. */
  readonly owner: string;
  /** Told after each change of a row, so that caches forget it. */
  readonly changed: (row: ConnectionRow) => void;
}

export type RefreshResult =
  /** `row` holds the newest tokens, by this attempt or a faster one. */
  | { readonly kind: "current"; readonly row: ConnectionRow }
  /** The provider's answer is in hand but not yet in the database; `grant` is good meanwhile. */
  | { readonly kind: "unsaved"; readonly row: ConnectionRow; readonly grant: Grant }
  | {
      readonly kind: "failed";
      readonly code: "provider_unavailable" | "oauth_client_rejected" | "refresh_pending";
      readonly retry_after_ms: number;
    }
  | { readonly kind: "gone" };

export interface Refresher {
  /** Callers in this process share one attempt per connection. Never rejects but with ApiError. */
  refresh(seen: ConnectionRow, mode: "background" | "reader"): Promise<RefreshResult>;
  /** OAuth clients whose background refreshes would be put off now: their provider has all the work that it may get. */
  busy(): ReadonlySet<OAuthClientId>;
  /** Brings back what a crash left: spilled answers are committed, leases of dead owners end where that is safe. */
  recover(): Promise<void>;
  /** Resolves when no refresh is in flight, or after `limit_ms`. */
  drain(limit_ms: number): Promise<void>;
}

interface Flight {
  readonly mode: "background" | "reader";
  readonly result: Promise<RefreshResult>;
  waiters: number;
}

type Claimed = Extract<Claim, { kind: "claimed" }>;

export function createRefresher(deps: RefreshDeps): Refresher {
  const { store, vault, oauth, catalog, clients, spill, clock, limits, log, owner } = deps;
  const throttle = createThrottle({ clock, limits, log });
  const flights = new Map<ConnectionId, Flight>();
  const unsaved = new Map<ConnectionId, { readonly result: RefreshResult; readonly done: Promise<void> }>();

  async function refresh(seen: ConnectionRow, mode: "background" | "reader"): Promise<RefreshResult> {
    const waiting = unsaved.get(seen.id);
    if (waiting !== undefined) return waiting.result;
    const running = flights.get(seen.id);
    if (running === undefined) return start(seen, mode);
    if (running.waiters >= limits.waiters_per_connection) throw new ApiError("refresh_busy", { retry_after_s: 1 });
    running.waiters += 1;
    const result = await running.result;
    // A background attempt obeys a schedule that a waiting reader need not.
    return result.kind === "failed" && running.mode === "background" && mode === "reader" ? start(seen, mode) : result;
  }

  function start(seen: ConnectionRow, mode: "background" | "reader"): Promise<RefreshResult> {
    const again = flights.get(seen.id);
    if (again !== undefined) return again.result;
    const result = refreshOnce(seen, mode).finally(() => flights.delete(seen.id));
    flights.set(seen.id, { mode, result, waiters: 0 });
    return result;
  }

  /** The turn comes before the claim, so that a refresh that is put off leaves no lease and no intent. */
  async function refreshOnce(seen: ConnectionRow, mode: "background" | "reader"): Promise<RefreshResult> {
    // Whoever holds a token that works can do without a better one.
    const waits = mode === "reader" && (seen.expires_at === null || seen.expires_at <= clock.now());
    const entry = await throttle.enter(seen, mode, waits);
    if (entry.kind === "put_off") return putOff(seen, mode, entry.retry_after_ms);
    try {
      return await claimAndSend(seen, mode, entry.permit);
    } finally {
      entry.permit.unused();
    }
  }

  /** Another process may have been faster; a reader must not be turned away from tokens that are there. */
  async function putOff(
    seen: ConnectionRow,
    mode: "background" | "reader",
    retry_after_ms: number,
  ): Promise<RefreshResult> {
    const row = mode === "reader" ? await store.getConnection(seen.id) : seen;
    if (row === null) return { kind: "gone" };
    if (row.generation !== seen.generation) return { kind: "current", row };
    const code = row.fail_class === "misconfigured" ? "oauth_client_rejected" : "provider_unavailable";
    return failed(code, retry_after_ms);
  }

  async function claimAndSend(
    seen: ConnectionRow,
    mode: "background" | "reader",
    permit: Permit,
  ): Promise<RefreshResult> {
    const provider = catalog.get(seen.integration_type);
    if (provider === null) throw new ApiError("unknown_service");
    const rotation = rotationClass(provider);
    const urgency: Urgency =
      mode === "background"
        ? { kind: mode }
        : { kind: mode, after_ms: readerRetry_ms(rotation, seen.fail_class, limits) };
    const { claim, claimed_ms } = await claimOrWait(seen, rotation, urgency);
    switch (claim.kind) {
      case "gone":
        return { kind: "gone" };
      case "moved":
        return { kind: "current", row: claim.row };
      case "leased":
        return failed("refresh_pending", (claim.row.lease_until ?? clock.now()) - clock.now());
      case "not_yet":
        return notYet(claim.row, rotation);
      case "claimed":
        return send(claim, provider, rotation, claimed_ms, permit);
    }
  }

  /** A reader whose connection another node refreshes waits for that node's answer; the sweeper has other things to do. */
  async function claimOrWait(
    seen: ConnectionRow,
    rotation: RotationClass,
    urgency: Urgency,
  ): Promise<{ claim: Claim; claimed_ms: number }> {
    const { id, generation } = seen;
    // Over before the reader's own patience is, so that it hears why it waited.
    const until_ms = clock.monotonic_ms() + limits.reader_wait_ms - 2 * limits.lease_poll_ms;
    for (;;) {
      const claimed_ms = clock.monotonic_ms();
      const claim = await store.claimRefresh({ id, generation, owner, lease_ms: lease(rotation), urgency });
      if (claim.kind !== "leased" || urgency.kind === "background" || claimed_ms >= until_ms)
        return { claim, claimed_ms };
      if (await freed(claim.row, rotation)) continue;
      if (await store.ownerIsDead(claim.row.lease_owner ?? owner, owner)) return { claim, claimed_ms };
      await holderDone(claim.row, until_ms);
    }
  }

  /** Until the generation moved, the lease is over, or the waiting is. */
  async function holderDone(leased: ConnectionRow, until_ms: number): Promise<void> {
    while (clock.monotonic_ms() < until_ms) {
      await delay(clock, limits.lease_poll_ms);
      const row = await store.getConnection(leased.id);
      if (row === null || row.generation !== leased.generation || row.lease_owner !== leased.lease_owner) return;
      if (row.lease_until === null || row.lease_until <= clock.now()) return;
    }
  }

  /**
   * Ends the lease of a dead process where that is safe. Its request may still be on the wire: sending a single-use token a
   * second time while the first is being processed is the very reuse that kills the grant, so there the lease is waited for.
   */
  async function freed({ id, lease_owner }: ConnectionRow, rotation: RotationClass): Promise<boolean> {
    if (lease_owner === null || rotation === "strict" || !(await store.ownerIsDead(lease_owner, owner))) return false;
    return store.releaseLease(id, lease_owner);
  }

  async function send(
    claim: Claimed,
    provider: Provider,
    rotation: RotationClass,
    claimed_ms: number,
    permit: Permit,
  ): Promise<RefreshResult> {
    const { row } = claim;
    if (row.sealed_refresh === null) return { kind: "current", row };
    const opened = await openForSending(row, row.sealed_refresh).catch(async (error: unknown) => {
      await fail(claim, "not_sent", null);
      throw error;
    });
    if (opened === null) return expire(claim, "client_changed", null);
    const { client, refresh_token } = opened;
    const deadline_ms = rotation === "strict" ? limits.refresh_deadline_strict_ms : limits.refresh_deadline_ms;
    // A process that was paused between claim and send must not send: its lease may be somebody else's by now.
    const fence_ms = lease(rotation) - deadline_ms - limits.refresh_fence_ms;
    const outcome = await oauth.refresh({
      provider,
      config: parseConfig(row.config),
      client,
      refresh_token,
      scopes: parseList(row.scopes_requested),
      deadline_ms,
      onSend: () => clock.monotonic_ms() - claimed_ms <= fence_ms,
    });
    permit.ended(outcome);
    if (outcome.kind !== "ok") return settle(claim, rotation, outcome);
    return keep(claim, provider, {
      ...grantOf(outcome.tokens, clock.now()),
      refresh_token: outcome.tokens.refresh_token ?? refresh_token,
    });
  }

  /** Once the token is sent the answer must be sealed, so what sealing needs is fetched before. Null: no client. */
  async function openForSending(
    row: ConnectionRow,
    sealed_refresh: Uint8Array,
  ): Promise<{ client: OpenClient; refresh_token: Secret } | null> {
    const client = await clients.open(row.oauth_client_id);
    if (client === null) return null;
    await vault.prepare(row.app_id);
    await vault.prepare(INSTALLATION);
    return { client, refresh_token: await vault.open(sealContext(row, "refresh"), sealedFromStorage(sealed_refresh)) };
  }

  /** The answer is in hand. From here on nothing may lose it. */
  async function keep(claim: Claimed, provider: Provider, grant: Grant): Promise<RefreshResult> {
    const { row, attempt } = claim;
    const parent_fp = row.rt_fp ?? "";
    await spill
      .append({
        connection_id: row.id,
        app_id: row.app_id,
        parent_fp,
        attempt,
        at: clock.now(),
        payload: serializeGrant(grant),
      })
      .catch((error: unknown) => log.error("spill_failed", { connection_id: row.id, error }));
    return save(row, provider, { attempt, parent_fp, grant });
  }

  /** Commits; or, while the database refuses, holds the answer in memory, where readers find it, until it is committed. */
  async function save(row: ConnectionRow, provider: Provider, answer: Answer): Promise<RefreshResult> {
    try {
      return await commit(row, provider, answer);
    } catch (error) {
      if (await isGone(row.id)) return dropped(row.id, answer);
      log.error("refresh_commit_delayed", { connection_id: row.id, error });
      const result: RefreshResult = { kind: "unsaved", row, grant: answer.grant };
      const done = commitUntilDone(row, provider, answer).finally(() => unsaved.delete(row.id));
      unsaved.set(row.id, { result, done });
      return result;
    }
  }

  /** A deleted app has no key to seal with: its late answer can never be stored, so nothing may wait for that. */
  async function isGone(id: ConnectionId): Promise<boolean> {
    return (await store.getConnection(id).catch(() => undefined)) === null;
  }

  async function dropped(id: ConnectionId, answer: Answer): Promise<RefreshResult> {
    await forgetSpilled(id, answer.attempt);
    return { kind: "gone" };
  }

  interface Answer {
    readonly attempt: number;
    readonly parent_fp: string;
    readonly grant: Grant;
  }

  async function commit(seen: ConnectionRow, provider: Provider, answer: Answer): Promise<RefreshResult> {
    let base = seen;
    for (;;) {
      const { grant } = answer;
      const columns = await grantColumns(vault, provider, { ...base, generation: base.generation + 1 }, grant, {
        refresh_token: grant.refresh_token,
        last_lifetime_s: base.last_lifetime_s,
        refresh_token_expires_at: base.refresh_token_expires_at,
      });
      const set = {
        ...columns,
        scopes_granted: grant.scopes === null ? base.scopes_granted : JSON.stringify(grant.scopes),
        config: JSON.stringify({ ...parseConfig(base.config), ...grant.config }),
        sealed_previous_access: null,
        previous_expires_at: null,
      };
      const { generation, id } = base;
      const outcome = await store.transaction(function* (tx) {
        const done = yield* commitRefresh(tx, {
          id,
          attempt: answer.attempt,
          parent_fp: answer.parent_fp,
          base_generation: generation,
          set,
        });
        if (done.kind === "committed" && done.recovered) yield* emit(tx, "connection.recovered", done.row);
        return done;
      });
      if (outcome.kind === "reseal") {
        base = outcome.row;
        continue;
      }
      // Before anything else is awaited: until then readers get the old token, which may be dead already.
      if (outcome.row !== null) deps.changed(outcome.row);
      await forgetSpilled(id, answer.attempt);
      if (outcome.row === null) return { kind: "gone" };
      log.info(outcome.kind === "committed" ? "refreshed" : "refresh_superseded", {
        connection_id: id,
        integration_type: seen.integration_type,
      });
      return { kind: "current", row: outcome.row };
    }
  }

  /** A record that stays behind is harmless: its replay finds a newer lineage and changes nothing. */
  async function forgetSpilled(id: ConnectionId, attempt: number): Promise<void> {
    await spill
      .committed(id, attempt)
      .catch((error: unknown) => log.warn("spill_failed", { connection_id: id, error }));
  }

  async function commitUntilDone(row: ConnectionRow, provider: Provider, answer: Answer): Promise<void> {
    for (let wait_ms = 200; ; wait_ms = Math.min(wait_ms * 2, 5_000)) {
      await delay(clock, wait_ms);
      try {
        await commit(row, provider, answer);
        return;
      } catch (error) {
        if (await isGone(row.id)) {
          await dropped(row.id, answer);
          return;
        }
        log.error("refresh_commit_delayed", { connection_id: row.id, error });
      }
    }
  }

  async function settle(
    claim: Claimed,
    rotation: RotationClass,
    outcome: Exclude<TokenOutcome, { kind: "ok" }>,
  ): Promise<RefreshResult> {
    const { row } = claim;
    log.warn("refresh_failed", {
      connection_id: row.id,
      integration_type: row.integration_type,
      outcome: outcome.kind,
      error_name: outcome.error,
    });
    // The one confirming request after a refusal: whatever it brings, short of tokens, ends the matter.
    if (row.status === "expired") return expire(claim, row.reason ?? "revoked", null);
    switch (outcome.kind) {
      case "refused": {
        const reason = row.intent_at === null ? "revoked" : "refresh_outcome_unknown";
        return expire(claim, reason, rotation === "none" ? plus(clock.now(), limits.confirm_refusal_after_ms) : null);
      }
      case "misconfigured":
        return fail(claim, "misconfigured", null);
      case "retry_later":
        if (outcome.retry_after_ms !== null) return fail(claim, "throttled", outcome.retry_after_ms);
        return fail(claim, outcome.sent ? "not_consumed" : "not_sent", null);
      case "unknown":
        return fail(claim, "unknown", null);
    }
  }

  async function fail(claim: Claimed, fail_class: FailClass, retry_after_ms: number | null): Promise<RefreshResult> {
    const { row, attempt } = claim;
    const now = clock.now();
    if (row.failing_since !== null && now - row.failing_since > limits.give_up_after_ms)
      return expire(claim, "failing_too_long", null);
    const wait_ms = nextAttempt_ms(fail_class, row.failures, retry_after_ms, limits, deps.random());
    const after = await store.failRefresh({
      id: row.id,
      attempt,
      fail_class,
      next_attempt_at: plus(now, wait_ms),
      // An earlier request whose outcome is unknown stays unknown, whatever happened to this one.
      keep_intent: fail_class === "unknown" || row.intent_at !== null,
    });
    if (after === null) return reread(row.id);
    deps.changed(after);
    const promised_ms = fail_class === "throttled" || fail_class === "misconfigured" ? wait_ms : limits.reader_retry_ms;
    return failed(fail_class === "misconfigured" ? "oauth_client_rejected" : "provider_unavailable", promised_ms);
  }

  async function expire(claim: Claimed, reason: ReasonCode, confirm_at: Instant | null): Promise<RefreshResult> {
    const { row } = claim;
    const after = await store.transaction(function* (tx) {
      const changed = yield* changeStatus(tx, {
        id: row.id,
        generation: row.generation,
        status: "expired",
        reason,
        confirm_at,
      });
      if (changed !== null && row.status === "active") yield* emit(tx, "connection.needs_reconnect", changed);
      return changed;
    });
    // Refused because the row moved: another holder of the same refresh token was faster, and its tokens are good.
    if (after === null) return reread(row.id);
    deps.changed(after);
    log.warn("needs_reconnect", { connection_id: row.id, integration_type: row.integration_type, reason });
    return { kind: "current", row: after };
  }

  async function reread(id: ConnectionId): Promise<RefreshResult> {
    const row = await store.getConnection(id);
    return row === null ? { kind: "gone" } : { kind: "current", row };
  }

  function notYet(row: ConnectionRow, rotation: RotationClass): RefreshResult {
    if (row.fail_class === "misconfigured") return failed("oauth_client_rejected", limits.backoff_base_ms);
    const scheduled_ms = (row.next_attempt_at ?? clock.now()) - clock.now();
    const allowed_ms = row.fail_class === "throttled" ? scheduled_ms : readerRetry_ms(rotation, row.fail_class, limits);
    return failed("provider_unavailable", Math.min(scheduled_ms, allowed_ms));
  }

  function lease(rotation: RotationClass): number {
    return rotation === "strict" ? limits.refresh_lease_strict_ms : limits.refresh_lease_ms;
  }

  async function recover(): Promise<void> {
    for (const record of await spill.pending()) {
      const row = await store.getConnection(record.connection_id);
      const provider = row === null ? null : catalog.get(row.integration_type);
      const grant = parseGrant(record.payload);
      if (row === null || provider === null || grant === null) {
        await forgetSpilled(record.connection_id, record.attempt);
        continue;
      }
      // One connection whose keys are damaged must not keep the server from starting for all others.
      await save(row, provider, { attempt: record.attempt, parent_fp: record.parent_fp, grant });
      log.warn("refresh_replayed", { connection_id: row.id });
    }
    for (const row of await store.leasedConnections()) {
      const provider = catalog.get(row.integration_type);
      if (provider !== null) await freed(row, rotationClass(provider));
    }
  }

  async function drain(limit_ms: number): Promise<void> {
    const over = delay(clock, limit_ms);
    const rest = Promise.allSettled([
      ...[...flights.values()].map((flight) => flight.result),
      ...[...unsaved.values()].map((entry) => entry.done),
    ]);
    await Promise.race([rest, over]);
  }

  return { refresh, busy: throttle.busy, recover, drain };
}

function failed(
  code: "provider_unavailable" | "oauth_client_rejected" | "refresh_pending",
  retry_after_ms: number,
): RefreshResult {
  return { kind: "failed", code, retry_after_ms: Math.max(1_000, retry_after_ms) };
}
