/**
 * The refresh room owns refresh tokens in use. It decides when to send them and where, and loses no
 * response. Token reads, the sweeper and forced refreshes all come through this file.
 *
 * The steps are intent, send and lineage commit (docs/refresh.md). A refresh waits for its turn
 * (throttle.ts), then claims the connection: lease and intent are durable before a byte is sent
 * (claim.ts, send.ts). The response goes to the spill, then to the row, where lineage decides
 * whether it counts (commit.ts, replay.ts). Any other outcome decides whether and when to retry
 * (failure.ts).
 *
 * Must not know a provider by name, HTTP, or SQL. A provider's behavior is a value, never an
 * exception.
 */
import { delay } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import type { ConnectionId, OAuthClientId } from "../../core/types.ts";
import { rotationClass } from "../../providers/provider.ts";
import type { Urgency } from "../../store/queries/refresh.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { StopCause } from "./bucket.ts";
import { acquireClaim, isWorthWaiting, releaseDeadLeases, waitForHolder } from "./claim.ts";
import type { CommitDeps } from "./commit.ts";
import { notYet } from "./failure.ts";
import { recall, repair, replay } from "./replay.ts";
import { readerRetry_ms } from "./schedule.ts";
import { send } from "./send.ts";
import { createThrottle, type Permit, type Throttle } from "./throttle.ts";
import { failed, type RefreshDeps, type RefreshMode, type RefreshResult } from "./types.ts";

export interface Refresher {
  /**
   * Refreshes a connection, unless another attempt already did, or none is allowed yet. Callers in
   * this process share one attempt per connection.
   *
   * @throws CodedError, and no other error
   */
  refresh(seen: ConnectionRow, mode: RefreshMode): Promise<RefreshResult>;
  /** Returns the grant that is not in the database yet, or null. Does not query the database. */
  pendingGrant(id: ConnectionId): RefreshResult | null;
  /** Returns the OAuth clients whose background refreshes would be postponed now. */
  busy(): ReadonlySet<OAuthClientId>;
  /** Commits spilled responses after a crash, and ends leases of dead processes if that is safe. */
  recover(): Promise<void>;
  /** Ends leases of other processes that are dead, if another node can continue at once. */
  releaseDeadLeases(): Promise<void>;
  /** Commits again, after a database outage, the responses that a failover lost. */
  repair(): Promise<void>;
  /** Resolves when no refresh is running, or after `limit_ms`. */
  drain(limit_ms: number): Promise<void>;
}

/** An attempt that runs now, shared by its callers. */
interface Flight {
  readonly mode: RefreshMode;
  readonly result: Promise<RefreshResult>;
  waiters: number;
}

interface RefreshEngine extends CommitDeps {
  readonly throttle: Throttle;
  readonly flights: Map<ConnectionId, Flight>;
}

/** A result, or the lease of another process. */
type Attempt = RefreshResult | { readonly kind: "leased"; readonly row: ConnectionRow };

export function createRefresher(deps: RefreshDeps): Refresher {
  const engine: RefreshEngine = { ...deps, throttle: createThrottle(deps), flights: new Map(), unsaved: new Map() };
  return {
    refresh: (seen, mode) => refresh(engine, seen, mode),
    pendingGrant: (id) => pendingGrant(engine, id),
    busy: engine.throttle.busy,
    recover: () => recover(engine),
    releaseDeadLeases: () => releaseDeadLeases(engine),
    repair: () => repair(engine),
    drain: (limit_ms) => drain(engine, limit_ms),
  };
}

async function refresh(engine: RefreshEngine, seen: ConnectionRow, mode: RefreshMode): Promise<RefreshResult> {
  const { flights, limits } = engine;
  const pending = pendingGrant(engine, seen.id);
  if (pending !== null) return pending;
  const running = flights.get(seen.id);
  if (running === undefined) return await start(engine, seen, mode);
  if (running.waiters >= limits.waiters_per_connection) throw new CodedError("refresh_busy", { retry_after_s: 1 });
  running.waiters += 1;
  const result = await running.result;
  // A background attempt obeys a schedule that does not bind a waiting reader.
  return result.kind === "failed" && running.mode === "background" && mode === "reader"
    ? await start(engine, seen, mode)
    : result;
}

function pendingGrant({ unsaved }: RefreshEngine, id: ConnectionId): RefreshResult | null {
  return unsaved.get(id)?.result ?? null;
}

function start(engine: RefreshEngine, seen: ConnectionRow, mode: RefreshMode): Promise<RefreshResult> {
  const { flights } = engine;
  const running = flights.get(seen.id);
  if (running !== undefined) return running.result;
  const result = attemptUntilDone(engine, seen, mode).finally(() => flights.delete(seen.id));
  flights.set(seen.id, { mode, result, waiters: 0 });
  return result;
}

/**
 * Attempts a refresh until there is a result. If another node refreshes the connection, a reader
 * waits for that node's response. The sweeper does not.
 */
async function attemptUntilDone(engine: RefreshEngine, seen: ConnectionRow, mode: RefreshMode): Promise<RefreshResult> {
  const { clock, limits } = engine;
  // Ends before the reader's own limit, so that the reader gets the reason.
  const until_ms = clock.monotonic_ms() + limits.reader_wait_ms - 2 * limits.lease_poll_ms;
  for (;;) {
    const attempt = await attemptOnce(engine, seen, mode);
    if (attempt.kind !== "leased") return attempt;
    if (mode === "background" || !(await isWorthWaiting(engine, attempt.row, until_ms)))
      return failed("refresh_pending", (attempt.row.lease_until ?? clock.now()) - clock.now());
    // Needs no permit: the node that has the lease sends the request and counts it.
    await waitForHolder(engine, attempt.row, until_ms);
  }
}

/**
 * Waits for a permit before the claim, so that a postponed refresh leaves no lease and no intent.
 */
async function attemptOnce(engine: RefreshEngine, seen: ConnectionRow, mode: RefreshMode): Promise<Attempt> {
  // A reader with a valid token does not wait in line.
  const waits = mode === "reader" && (seen.expires_at === null || seen.expires_at <= engine.clock.now());
  const entry = await engine.throttle.enter(seen, mode, waits);
  if (entry.kind === "put_off") return await putOff(engine, seen, mode, entry);
  try {
    return await claimAndSend(engine, seen, mode, entry.permit);
  } finally {
    entry.permit.unused();
  }
}

/**
 * Returns, for a reader, the tokens of a refresh that committed meanwhile. Otherwise returns the
 * failure.
 */
async function putOff(
  { store }: RefreshEngine,
  seen: ConnectionRow,
  mode: RefreshMode,
  { cause, retry_after_ms }: { readonly cause: StopCause; readonly retry_after_ms: number },
): Promise<RefreshResult> {
  const row = mode === "reader" ? await store.getConnection(seen.id) : seen;
  if (row === null) return { kind: "deleted" };
  if (row.generation !== seen.generation) return { kind: "current", row };
  const is_rejected = cause === "client" || row.fail_class === "misconfigured";
  return failed(is_rejected ? "oauth_client_rejected" : "provider_unavailable", retry_after_ms);
}

async function claimAndSend(
  engine: RefreshEngine,
  seen: ConnectionRow,
  mode: RefreshMode,
  permit: Permit,
): Promise<Attempt> {
  const provider = engine.catalog.get(seen.integration_type);
  if (provider === null) throw new CodedError("unknown_service");
  const rotation = rotationClass(provider);
  const urgency: Urgency =
    mode === "background"
      ? { kind: mode }
      : { kind: mode, after_ms: readerRetry_ms(rotation, seen.fail_class, engine.limits) };
  const { claim, claimed_ms } = await acquireClaim(engine, seen, provider, urgency);
  switch (claim.kind) {
    case "deleted":
      return { kind: "deleted" };
    case "moved":
      return { kind: "current", row: claim.row };
    case "leased":
    case "overdue":
      return { kind: "leased", row: claim.row };
    case "not_yet":
      return notYet(engine, claim.row, rotation);
    case "claimed":
      return await ((await recall(engine, claim, provider)) ?? send(engine, claim, provider, claimed_ms, permit));
  }
}

async function recover(engine: RefreshEngine): Promise<void> {
  await replay(engine);
  await repair(engine);
  await releaseDeadLeases(engine);
}

async function drain({ flights, unsaved, clock }: RefreshEngine, limit_ms: number): Promise<void> {
  const rest = Promise.allSettled([...flights.values()].map(({ result }) => result)).then(() =>
    Promise.allSettled([...unsaved.values()].map(({ done }) => done)),
  );
  await Promise.race([rest, delay(clock, limit_ms)]);
}
