/**
 * The steps of the refresh protocol, as the database stores them.
 *
 * A refresh is a claim (lease and intent, durable before any byte is sent), then exactly one of
 * commit, fail and expire.
 *
 * The lease keeps two holders from sending at once. Lineage decides which response is stored: a
 * response counts if it descends from the stored refresh token. That holds even after the lease
 * expired, because the response of a paused holder can be the only valid one.
 */
import { plus, type ConnectionId, type Instant } from "../../core/types.ts";
import { run, type Transaction } from "../operation.ts";
import { CONNECTION } from "../rows.ts";
import type { ConnectionRow, ConnectionsTable, FailClass } from "../tables.ts";
import { getConnection, SETTLED } from "./connections.ts";

export type Urgency =
  /** The sweeper. It follows the schedule. */
  | { readonly kind: "background" }
  /**
   * A reader waits. It can attempt earlier than scheduled, `after_ms` after the last attempt,
   * unless the provider set the time.
   */
  | { readonly kind: "reader"; readonly after_ms: number };

export interface ClaimRequest {
  readonly id: ConnectionId;
  /** The generation that the caller found too old. */
  readonly generation: number;
  readonly owner: string;
  readonly lease_ms: number;
  readonly urgency: Urgency;
  /**
   * For how long after a request of unknown outcome the same refresh token can be sent again
   * safely. The first request can still be on its way. Null: always.
   */
  readonly resend_ms: number | null;
  /**
   * How long to wait for a live holder after its lease expired: it can have the only valid
   * response.
   */
  readonly holder_wait_ms: number;
  /** Dead holders of leases. The claim does not wait for them. */
  readonly dead_owners: readonly string[];
}

export type Claim =
  /** `row` is the row before the claim. Its `intent_at` is set if an earlier outcome is unknown. */
  | { readonly kind: "claimed"; readonly row: ConnectionRow; readonly attempt: number; readonly lease_until: Instant }
  /** Another refresh already committed, or the connection ended. */
  | { readonly kind: "moved"; readonly row: ConnectionRow }
  | { readonly kind: "leased"; readonly row: ConnectionRow }
  /** The lease expired without an outcome. Sending again would do harm if its holder is alive. */
  | { readonly kind: "overdue"; readonly row: ConnectionRow }
  | { readonly kind: "not_yet"; readonly row: ConnectionRow }
  | { readonly kind: "deleted" };

const NO_EARLIER = { earlier_owner: null, earlier_at: null } as const;

export async function claimRefresh(tx: Transaction, request: ClaimRequest): Promise<Claim> {
  const { db, now } = tx;
  const row = await getConnection(tx, request.id);
  if (row === null) return { kind: "deleted" };
  const confirming = row.status === "expired" && row.confirm_at !== null && row.confirm_at <= now;
  if (
    row.generation !== request.generation ||
    row.sealed_refresh === null ||
    (row.status !== "active" && !confirming)
  ) {
    return { kind: "moved", row: await closeConfirmation(tx, row) };
  }
  if (row.lease_until !== null && row.lease_until > now) {
    // The database's clock went back (a standby took over). The lease lasts no longer than a new
    // one.
    if (row.attempted_at === null || row.attempted_at <= now) return { kind: "leased", row };
    const again = { attempted_at: now, next_attempt_at: null, lease_until: plus(now, request.lease_ms) };
    tx.invalidates("connections", request.id);
    await run(db.updateTable("connections").set(again).where("id", "=", request.id));
    return { kind: "leased", row: { ...row, ...again } };
  }
  const holder = holderToWaitFor(row, request, now);
  if (holder !== null && !canResend(row, request.resend_ms, now))
    return { kind: "overdue", row: await restartWait(tx, row) };
  if (!isDue(row, request.urgency, now)) return { kind: "not_yet", row };
  const lease_until = plus(now, request.lease_ms);
  const attempt = row.attempt + 1;
  const lease = {
    lease_owner: request.owner,
    lease_until,
    attempt,
    attempted_at: now,
    // The earliest request of unknown outcome: a provider counts its reuse window from then.
    intent_at: row.intent_rt_fp === row.rt_fp ? (row.intent_at ?? now) : now,
    intent_rt_fp: row.rt_fp,
    // If this attempt fails, the response of that holder can still be the only valid one.
    earlier_owner: holder?.owner ?? null,
    earlier_at: holder?.acquired_at ?? null,
    // This attempt's outcome decides when the next one is due.
    next_attempt_at: null,
    confirm_at: null,
  };
  tx.invalidates("connections", request.id);
  await run(db.updateTable("connections").set(lease).where("id", "=", request.id));
  return { kind: "claimed", row, attempt, lease_until };
}

/**
 * Clears the intent of a confirming request whose outcome was never stored. An expired connection
 * gets no second one.
 */
async function closeConfirmation({ db, now, invalidates }: Transaction, row: ConnectionRow): Promise<ConnectionRow> {
  const is_held = row.lease_until !== null && row.lease_until > now;
  if (row.status !== "expired" || row.confirm_at !== null || row.intent_at === null || is_held) return row;
  const none = { lease_owner: null, lease_until: null, intent_at: null, intent_rt_fp: null, ...NO_EARLIER };
  invalidates("connections", row.id);
  await run(db.updateTable("connections").set(none).where("id", "=", row.id));
  return { ...row, ...none };
}

/**
 * Reports whether a refresh token can be sent again while an earlier request can still be on its
 * way.
 */
function canResend(row: ConnectionRow, resend_ms: number | null, now: Instant): boolean {
  if (resend_ms === null || row.intent_at === null) return true;
  // If the clock went back, the intent lies in the future. That allows no second send of a
  // single-use token.
  return resend_ms > 0 && now - row.intent_at < resend_ms;
}

/** A process that acquired a lease, and has not reported the outcome of its request. */
export interface Holder {
  readonly owner: string;
  readonly acquired_at: Instant;
}

/** Returns the holder of the latest lease, then the holder of the one before it. */
export function holdersOf({ lease_owner, attempted_at, earlier_owner, earlier_at }: ConnectionRow): Holder[] {
  return [
    ...(lease_owner === null || attempted_at === null ? [] : [{ owner: lease_owner, acquired_at: attempted_at }]),
    ...(earlier_owner === null || earlier_at === null ? [] : [{ owner: earlier_owner, acquired_at: earlier_at }]),
  ];
}

/** Returns the holder that can still have the only valid response, or null. */
function holderToWaitFor(row: ConnectionRow, request: ClaimRequest, now: Instant): Holder | null {
  const { owner, dead_owners, lease_ms, holder_wait_ms } = request;
  const isAwaited = (holder: Holder): boolean =>
    holder.owner !== owner &&
    !dead_owners.includes(holder.owner) &&
    now < holder.acquired_at + lease_ms + holder_wait_ms;
  return holdersOf(row).find(isAwaited) ?? null;
}

/**
 * Restarts the wait for an earlier holder if the database's clock went back. Otherwise the wait
 * would also last until the clock catches up.
 */
async function restartWait(tx: Transaction, row: ConnectionRow): Promise<ConnectionRow> {
  const { db, now } = tx;
  if (row.earlier_at === null || row.earlier_at <= now) return row;
  tx.invalidates("connections", row.id);
  await run(db.updateTable("connections").set({ earlier_at: now }).where("id", "=", row.id));
  return { ...row, earlier_at: now };
}

function isDue(row: ConnectionRow, urgency: Urgency, now: Instant): boolean {
  if (row.next_attempt_at === null || row.next_attempt_at <= now) return true;
  // The clock went back, as when a standby takes over. Times of the other clock are void.
  if (row.attempted_at !== null && row.attempted_at > now) return true;
  if (urgency.kind === "background" || row.fail_class === "throttled" || row.fail_class === "misconfigured")
    return false;
  return row.attempted_at === null || row.attempted_at + urgency.after_ms <= now;
}

export interface RefreshCommit {
  readonly id: ConnectionId;
  readonly attempt: number;
  /** Fingerprint of the refresh token that was exchanged. */
  readonly parent_fp: string;
  /** The seals are for the generation after this one. */
  readonly base_generation: number;
  readonly set: Pick<
    ConnectionsTable,
    | "sealed_access"
    | "sealed_refresh"
    | "rt_fp"
    | "issued_at"
    | "expires_at"
    | "last_lifetime_s"
    | "refresh_at"
    | "refresh_token_expires_at"
  >;
  /**
   * Returns the new values of columns that others can change while the request is on its way.
   * Without a config, the stored one stays.
   */
  readonly merge: (
    row: ConnectionRow,
  ) => Pick<ConnectionRow, "scopes_granted"> & Partial<Pick<ConnectionRow, "config">>;
}

export type CommitOutcome =
  | { readonly kind: "committed"; readonly row: ConnectionRow; readonly before: ConnectionRow }
  /**
   * The generation changed, and the response still counts: seal for `row.generation + 1`, commit
   * again.
   */
  | { readonly kind: "reseal"; readonly row: ConnectionRow }
  /**
   * A newer response, another consent or a disconnect won. `row` is null if the connection is
   * deleted.
   */
  | { readonly kind: "superseded"; readonly row: ConnectionRow | null };

export async function commitRefresh(tx: Transaction, commit: RefreshCommit): Promise<CommitOutcome> {
  const row = await getConnection(tx, commit.id);
  if (row === null || row.status === "disconnected" || !isDescendant(row, commit)) return { kind: "superseded", row };
  if (row.generation !== commit.base_generation) return { kind: "reseal", row };
  const updated = {
    ...SETTLED,
    ...commit.set,
    ...commit.merge(row),
    // A later attempt keeps its lease and intent: its response can replace this one.
    ...(row.attempt > commit.attempt
      ? {
          lease_owner: row.lease_owner,
          lease_until: row.lease_until,
          earlier_owner: row.earlier_owner,
          earlier_at: row.earlier_at,
          intent_at: row.intent_at,
          intent_rt_fp: row.intent_rt_fp,
        }
      : {}),
    // The token was sent a second time and refused. At some providers that also revoked the tokens
    // of this response. The open intent causes an immediate attempt, which then records the right
    // reason.
    ...(row.reason === "refresh_outcome_unknown" ? { intent_at: tx.now, intent_rt_fp: commit.set.rt_fp } : {}),
    // A refresh token with another expiry needs new warnings.
    warned_days: commit.set.refresh_token_expires_at === row.refresh_token_expires_at ? row.warned_days : null,
    status: "active",
    reason: null,
    generation: row.generation + 1,
    parent_rt_fp: commit.parent_fp,
    win_attempt: commit.attempt,
    updated_at: tx.now,
  } as const;
  tx.invalidates("connections", commit.id);
  await run(tx.db.updateTable("connections").set(CONNECTION.encode(updated)).where("id", "=", commit.id));
  return { kind: "committed", row: { ...row, ...updated }, before: row };
}

/**
 * Reports whether a response counts by lineage: the stored token was exchanged for it, or an
 * earlier attempt exchanged the same token for the stored pair.
 */
function isDescendant(row: ConnectionRow, commit: RefreshCommit): boolean {
  // The client was removed meanwhile: its tokens cannot be refreshed again, and the builder was
  // notified.
  if (row.reason === "client_changed") return false;
  if (row.parent_rt_fp === commit.parent_fp) {
    // Another refresh is exchanging the earlier response's token now. Its response will be newer.
    const in_use = row.intent_at !== null && row.intent_rt_fp !== commit.parent_fp;
    return row.win_attempt !== null && row.win_attempt < commit.attempt && !in_use;
  }
  return row.rt_fp === commit.parent_fp;
}

export interface RefreshFailure {
  readonly id: ConnectionId;
  readonly attempt: number;
  readonly fail_class: FailClass;
  readonly retry_in_ms: number;
  /**
   * The provider may have processed the request. The intent stays open, so that a later refusal is
   * not taken for a revocation.
   */
  readonly keep_intent: boolean;
}

/**
 * Stores the failure of the latest attempt. Ignores an older one, which says nothing about the
 * latest attempt.
 */
export async function failRefresh(tx: Transaction, failure: RefreshFailure): Promise<ConnectionRow | null> {
  const { db, now } = tx;
  const row = await getConnection(tx, failure.id);
  if (row === null || row.attempt !== failure.attempt || row.intent_at === null) return null;
  const set = {
    reserved_until: null,
    lease_owner: null,
    lease_until: null,
    ...(failure.keep_intent ? {} : { intent_at: null, intent_rt_fp: null, ...NO_EARLIER }),
    next_attempt_at: plus(now, failure.retry_in_ms),
    fail_class: failure.fail_class,
    failures: row.failures + 1,
    failing_since: row.failing_since ?? now,
  };
  tx.invalidates("connections", failure.id);
  await run(db.updateTable("connections").set(set).where("id", "=", failure.id));
  return { ...row, ...set };
}

/**
 * Ends the lease of a dead owner, so that another process can continue its intent at once.
 *
 * Returns false if the lease has ended, or when it is no longer safe to send the token again.
 *
 * @param resend_ms see ClaimRequest
 */
export async function releaseLease(
  tx: Transaction,
  id: ConnectionId,
  owner: string,
  resend_ms: number | null,
): Promise<boolean> {
  const row = await getConnection(tx, id);
  if (row === null || row.lease_owner !== owner || !canResend(row, resend_ms, tx.now)) return false;
  tx.invalidates("connections", id);
  const update = tx.db
    .updateTable("connections")
    .set({ lease_owner: null, lease_until: null })
    .where("id", "=", id)
    .where("lease_owner", "=", owner);
  return (await run(update)) === 1;
}
