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
import type { ExpressionBuilder } from "kysely";
import { plus, type ConnectionId, type Instant, type OAuthClientId } from "../../core/types.ts";
import { run, type Transaction } from "../operation.ts";
import { CONNECTION } from "../rows.ts";
import type { ConnectionRow, ConnectionsTable, FailClass, Tables } from "../tables.ts";
import { COLUMNS, getConnection, SETTLED } from "./connections.ts";

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
  /** A holder that is known to be dead. The claim does not wait for it. */
  readonly dead_owner: string | null;
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
  if (mustWaitForHolder(row, request, now)) return { kind: "overdue", row };
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
  const none = { lease_owner: null, lease_until: null, intent_at: null, intent_rt_fp: null };
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

function mustWaitForHolder(row: ConnectionRow, request: ClaimRequest, now: Instant): boolean {
  const { lease_owner, lease_until } = row;
  if (lease_owner === null || lease_until === null) return false;
  if (lease_owner === request.owner || lease_owner === request.dead_owner) return false;
  return now < lease_until + request.holder_wait_ms && !canResend(row, request.resend_ms, now);
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
  /**
   * The previous lease, if its outcome is still unknown: its holder can have the only valid
   * response.
   */
  readonly earlier: Pick<ConnectionRow, "lease_owner" | "lease_until"> | null;
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
    lease_owner: failure.earlier?.lease_owner ?? null,
    lease_until: failure.earlier?.lease_until ?? null,
    ...(failure.keep_intent ? {} : { intent_at: null, intent_rt_fp: null }),
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
 * Reserves connections for a sweeper, for `reserve_ms`: tokens to renew, open intents whose lease
 * expired, and refusals to confirm. Other nodes' sweepers get other rows.
 *
 * @param except OAuth clients whose connections are left out
 */
export async function reserveDue(
  tx: Transaction,
  count: number,
  except: readonly OAuthClientId[],
  reserve_ms: number,
): Promise<ConnectionRow[]> {
  const found: ConnectionRow[] = [];
  for (const kind of ["open", "due", "confirm"] as const) {
    if (found.length < count) found.push(...(await reserve(tx, kind, count - found.length, except, reserve_ms)));
  }
  return found;
}

/**
 * Reserves rows in one statement, which needs no transaction. Skips locked rows instead of waiting.
 */
async function reserve(
  { db, now, skip_locked }: Transaction,
  kind: "open" | "due" | "confirm",
  count: number,
  except: readonly OAuthClientId[],
  reserve_ms: number,
): Promise<ConnectionRow[]> {
  const ids = db
    .selectFrom("connections")
    .select("id")
    .$if(except.length > 0, (query) => query.where("oauth_client_id", "not in", except))
    .where((where) =>
      where.or([isPast("reserved_until", now)(where), where("reserved_until", ">", plus(now, reserve_ms))]),
    )
    .$if(kind === "confirm", (query) => query.where("confirm_at", "is not", null).where("confirm_at", "<=", now))
    .$if(kind !== "confirm", (query) => query.where(isUnheld(now)))
    .$if(kind === "open", (query) => query.where("intent_at", "is not", null))
    .$if(kind === "due", (query) =>
      query
        .where("status", "=", "active")
        .where("refresh_at", "is not", null)
        .where("refresh_at", "<=", now)
        .where("sealed_refresh", "is not", null)
        .orderBy("refresh_at"),
    )
    .limit(count)
    .$if(skip_locked, (query) => query.forUpdate().skipLocked());
  // PostgreSQL can run a subquery of the update several times, and lock `count` more rows each
  // time.
  const update = db
    .with("found", () => ids)
    .updateTable("connections")
    .set({ reserved_until: plus(now, reserve_ms) })
    .where("id", "in", (where) => where.selectFrom("found").select("id"))
    .returning(COLUMNS);
  // RETURNING has no order. Put the longest due first.
  return (await CONNECTION.all(update)).toSorted((a, b) => (a.refresh_at ?? 0) - (b.refresh_at ?? 0));
}

/**
 * As in claimRefresh: an attempt in the future was dated by another clock, so its lease and
 * schedule are void.
 */
const isUnheld = (now: Instant) => (where: ExpressionBuilder<Tables, "connections">) =>
  where.or([
    where.and([isPast("next_attempt_at", now)(where), isPast("lease_until", now)(where)]),
    where("attempted_at", ">", now),
  ]);

const isPast =
  (column: "reserved_until" | "next_attempt_at" | "lease_until", now: Instant) =>
  (where: ExpressionBuilder<Tables, "connections">) =>
    where.or([where(column, "is", null), where(column, "<=", now)]);

/** Releases reservations of connections that the sweeper did not process. */
export async function unreserve({ db }: Transaction, ids: readonly ConnectionId[]): Promise<void> {
  if (ids.length > 0) await run(db.updateTable("connections").set({ reserved_until: null }).where("id", "in", ids));
}

/** Returns connections whose leases are held by other owners. */
export async function leasesOfOthers({ db, now }: Transaction, owner: string, count: number): Promise<ConnectionRow[]> {
  return await CONNECTION.all(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      // Each lease has an intent, and the index is on the intent.
      .where("intent_at", "is not", null)
      .where("lease_until", ">", now)
      .where("lease_owner", "!=", owner)
      .limit(count),
  );
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
