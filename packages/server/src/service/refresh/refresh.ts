/**
 * Refreshing a connection's tokens. The only module that sends a refresh token anywhere; the hot path, the sweeper and
 * forced refreshes all come through here.
 *
 * Intent, send, lineage commit. A lease and an intent are durable before any byte leaves, so a crash is noticed and a
 * second node does not call (refresh-claim.ts). The answer goes to the spill first, then to the row, where lineage decides
 * whether it counts (refresh-commit.ts). What is no answer decides when, and whether, to try again (refresh-failure.ts).
 *
 * Knows no provider, no HTTP and no SQL. Times are Instants. What a provider does is a value, never an exception.
 */
import { delay } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { ConnectionConfig, ConnectionId, OAuthClientId } from "../../core/types.ts";
import { rotationClass, type Provider } from "../../providers/provider.ts";
import type { Urgency } from "../../store/queries/refresh.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { sealedFromStorage } from "../../vault/seal.ts";
import { readerRetry_ms } from "./schedule.ts";
import { INSTALLATION, type OpenClient } from "../grants/clients.ts";
import { grantOf, sealContext } from "../grants/grant.ts";
import { createClaims } from "./claim.ts";
import { createCommits } from "./commit.ts";
import { createFailures } from "./failure.ts";
import { failed, type Claimed, type RefreshDeps, type RefreshMode, type RefreshResult } from "./types.ts";
import { createThrottle, type Permit } from "./throttle.ts";

export interface Refresher {
  /** Callers in this process share one attempt per connection. Never rejects but with ApiError. */
  refresh(seen: ConnectionRow, mode: RefreshMode): Promise<RefreshResult>;
  /** An answer that waits for the database, without a look at the database. */
  inHand(id: ConnectionId): RefreshResult | null;
  /** OAuth clients whose background refreshes would be put off now: their provider has all the work that it may get. */
  busy(): ReadonlySet<OAuthClientId>;
  /** Brings back what a crash left: spilled answers are committed, leases of dead owners end where that is safe. */
  recover(): Promise<void>;
  /** Ends leases of other processes that died, where somebody else may go on at once. */
  releaseDead(): Promise<void>;
  /** After the database was away: commits once more what the one that is there now does not have. */
  repair(): Promise<void>;
  /** Resolves when no refresh is in flight, or after `limit_ms`. */
  drain(limit_ms: number): Promise<void>;
}

interface Flight {
  readonly mode: RefreshMode;
  readonly result: Promise<RefreshResult>;
  waiters: number;
}

/** Either an end, or somebody else's lease that is worth waiting for. */
type Attempt = RefreshResult | { readonly kind: "leased"; readonly row: ConnectionRow };

export function createRefresher(deps: RefreshDeps): Refresher {
  const { store, vault, oauth, catalog, clients, clock, limits, log } = deps;
  const throttle = createThrottle({ clock, limits, log });
  const claims = createClaims(deps);
  const commits = createCommits(deps);
  const failures = createFailures(deps);
  const flights = new Map<ConnectionId, Flight>();

  async function refresh(seen: ConnectionRow, mode: RefreshMode): Promise<RefreshResult> {
    const waiting = commits.inHand(seen.id);
    if (waiting !== null) return waiting;
    const running = flights.get(seen.id);
    if (running === undefined) return start(seen, mode);
    if (running.waiters >= limits.waiters_per_connection) throw new ApiError("refresh_busy", { retry_after_s: 1 });
    running.waiters += 1;
    const result = await running.result;
    // A background attempt obeys a schedule that a waiting reader need not.
    return result.kind === "failed" && running.mode === "background" && mode === "reader" ? start(seen, mode) : result;
  }

  function start(seen: ConnectionRow, mode: RefreshMode): Promise<RefreshResult> {
    const again = flights.get(seen.id);
    if (again !== undefined) return again.result;
    const result = attemptUntilDone(seen, mode).finally(() => flights.delete(seen.id));
    flights.set(seen.id, { mode, result, waiters: 0 });
    return result;
  }

  /** A reader whose connection another node refreshes waits for that node's answer; the sweeper has other things to do. */
  async function attemptUntilDone(seen: ConnectionRow, mode: RefreshMode): Promise<RefreshResult> {
    // Over before the reader's own patience is, so that it hears why it waited.
    const until_ms = clock.monotonic_ms() + limits.reader_wait_ms - 2 * limits.lease_poll_ms;
    for (;;) {
      const attempt = await attemptOnce(seen, mode);
      if (attempt.kind !== "leased") return attempt;
      if (mode === "background" || !(await claims.endsBefore(attempt.row, until_ms)))
        return failed("refresh_pending", (attempt.row.lease_until ?? clock.now()) - clock.now());
      // Without a permit: the node that has the lease sends the request, and counts it.
      await claims.holderDone(attempt.row, until_ms);
    }
  }

  /** The turn comes before the claim, so that a refresh that is put off leaves no lease and no intent. */
  async function attemptOnce(seen: ConnectionRow, mode: RefreshMode): Promise<Attempt> {
    // Whoever holds a token that works can do without a better one.
    const waits = mode === "reader" && (seen.expires_at === null || seen.expires_at <= clock.now());
    const entry = await throttle.enter(seen, mode, waits);
    if (entry.kind === "put_off") return putOff(seen, mode, entry);
    try {
      return await claimAndSend(seen, mode, entry.permit);
    } finally {
      entry.permit.unused();
    }
  }

  /** Another process may have been faster; a reader must not be turned away from tokens that are there. */
  async function putOff(
    seen: ConnectionRow,
    mode: RefreshMode,
    { cause, retry_after_ms }: { readonly cause: "client" | "provider"; readonly retry_after_ms: number },
  ): Promise<RefreshResult> {
    const row = mode === "reader" ? await store.getConnection(seen.id) : seen;
    if (row === null) return { kind: "gone" };
    if (row.generation !== seen.generation) return { kind: "current", row };
    const rejected = cause === "client" || row.fail_class === "misconfigured";
    return failed(rejected ? "oauth_client_rejected" : "provider_unavailable", retry_after_ms);
  }

  async function claimAndSend(seen: ConnectionRow, mode: RefreshMode, permit: Permit): Promise<Attempt> {
    const provider = catalog.get(seen.integration_type);
    if (provider === null) throw new ApiError("unknown_service");
    const rotation = rotationClass(provider);
    const urgency: Urgency =
      mode === "background"
        ? { kind: mode }
        : { kind: mode, after_ms: readerRetry_ms(rotation, seen.fail_class, limits) };
    const { claim, claimed_ms } = await claims.take(seen, provider, urgency);
    switch (claim.kind) {
      case "gone":
        return { kind: "gone" };
      case "moved":
        return { kind: "current", row: claim.row };
      case "leased":
      case "overdue":
        return { kind: "leased", row: claim.row };
      case "not_yet":
        return failures.notYet(claim.row, rotation);
      case "claimed":
        return (await commits.recall(claim, provider)) ?? send(claim, provider, claimed_ms, permit);
    }
  }

  async function send(claim: Claimed, provider: Provider, claimed_ms: number, permit: Permit): Promise<RefreshResult> {
    const { row } = claim;
    const rotation = rotationClass(provider);
    if (row.sealed_refresh === null) return { kind: "current", row };
    const opened = await openForSending(row, row.sealed_refresh).catch(async (error: unknown) => {
      await failures.unsent(claim, rotation);
      throw error;
    });
    if (opened === null) return failures.expire(claim, "client_changed", null);
    const { client, refresh_token, config } = opened;
    const deadline_ms = rotation === "strict" ? limits.refresh_deadline_strict_ms : limits.refresh_deadline_ms;
    // A process that was paused between claim and send must not send: its lease may be somebody else's by now.
    const fence_ms = claims.lease_ms(rotation) - deadline_ms - limits.refresh_fence_ms;
    // A token lives from some moment after this one: whoever reads the answer late must not think it younger than it is.
    const asked_at = clock.now();
    const outcome = await oauth.refresh({
      provider,
      config,
      client,
      refresh_token,
      scopes: row.scopes_requested,
      deadline_ms,
      onSend: () => clock.monotonic_ms() - claimed_ms <= fence_ms,
    });
    permit.ended(outcome);
    if (outcome.kind !== "ok") return failures.settle(claim, rotation, outcome);
    return commits.keep(claim, provider, {
      ...grantOf(outcome.tokens, asked_at),
      refresh_token: outcome.tokens.refresh_token ?? refresh_token,
    });
  }

  /** Once the token is sent the answer must be sealed, so what sealing needs is fetched before. Null: no client. */
  async function openForSending(
    row: ConnectionRow,
    sealed_refresh: Uint8Array,
  ): Promise<{ client: OpenClient; refresh_token: Secret; config: ConnectionConfig } | null> {
    // Without its config the request could go to another address.
    if (row.config === null) throw new ApiError("credential_unreadable", { reason: "credential_unreadable" });
    const client = await clients.open(row.oauth_client_id);
    if (client === null) return null;
    await vault.prepare(row.app_id);
    await vault.prepare(INSTALLATION);
    const refresh_token = await vault.open(sealContext(row, "refresh"), sealedFromStorage(sealed_refresh));
    return { client, refresh_token, config: row.config };
  }

  async function drain(limit_ms: number): Promise<void> {
    const rest = Promise.allSettled([...flights.values()].map((flight) => flight.result)).then(commits.done);
    await Promise.race([rest, delay(clock, limit_ms)]);
  }

  return {
    refresh,
    inHand: commits.inHand,
    busy: throttle.busy,
    async recover() {
      await commits.replay();
      await commits.repair();
      await claims.releaseDead();
    },
    releaseDead: claims.releaseDead,
    repair: commits.repair,
    drain,
  };
}
