/**
 * Every step of the refresh protocol as it is stored.
 *
 * A refresh is: claim (lease and intent, durable before any byte is sent), then exactly one of commit, fail, expire.
 * The lease keeps two holders from sending at once; lineage decides what is stored: an answer counts if it descends from
 * the stored refresh token, even when the lease ran out, since a paused holder's answer may be the only valid one.
 */
import type { ExpressionBuilder } from "kysely";
import { plus, type ConnectionId, type Instant, type OAuthClientId } from "../../core/types.ts";
import { run, type Transaction } from "../operation.ts";
import { CONNECTION } from "../rows.ts";
import type { ConnectionRow, ConnectionsTable, FailClass, Tables } from "../tables.ts";
import { COLUMNS, getConnection, SETTLED } from "./connections.ts";

export type Urgency =
  /** The sweeper: obeys the schedule to the letter. */
  | { readonly kind: "background" }
  /** A reader is waiting: may run ahead of the schedule, `after_ms` after the last attempt, unless the provider set a time. */
  | { readonly kind: "reader"; readonly after_ms: number };

export interface ClaimRequest {
  readonly id: ConnectionId;
  /** The generation that was found too old. */
  readonly generation: number;
  readonly owner: string;
  readonly lease_ms: number;
  readonly urgency: Urgency;
  /**
   * How long after a request whose outcome is unknown the same refresh token may be sent again without harm, even if the
   * first request is still on its way. Null: always.
   */
  readonly resend_ms: number | null;
  /** A holder whose lease ran out is waited for so long, if it is alive: it may have the only valid answer. */
  readonly holder_wait_ms: number;
  /** A holder that is known to be gone, and not waited for. */
  readonly gone: string | null;
}

export type Claim =
  /** `row` as it was before: `row.intent_at` tells whether an earlier request's outcome is still unknown. */
  | { readonly kind: "claimed"; readonly row: ConnectionRow; readonly attempt: number; readonly lease_until: Instant }
  /** Someone was faster: use what is there now. */
  | { readonly kind: "moved"; readonly row: ConnectionRow }
  | { readonly kind: "leased"; readonly row: ConnectionRow }
  /** The lease is over, its holder did not say how the request ended, and asking again would do harm if it lives. */
  | { readonly kind: "overdue"; readonly row: ConnectionRow }
  | { readonly kind: "not_yet"; readonly row: ConnectionRow }
  | { readonly kind: "gone" };

export async function claimRefresh(tx: Transaction, request: ClaimRequest): Promise<Claim> {
  const { db, now } = tx;
  const row = await getConnection(tx, request.id);
  if (row === null) return { kind: "gone" };
  const confirming = row.status === "expired" && row.confirm_at !== null && row.confirm_at <= now;
  if (
    row.generation !== request.generation ||
    row.sealed_refresh === null ||
    (row.status !== "active" && !confirming)
  ) {
    return { kind: "moved", row: await forgetEnded(tx, row) };
  }
  if (row.lease_until !== null && row.lease_until > now) {
    // The database's clock went back (a copy took over): a lease lasts no longer than it would have from now on.
    if (row.attempted_at === null || row.attempted_at <= now) return { kind: "leased", row };
    const again = { attempted_at: now, next_attempt_at: null, lease_until: plus(now, request.lease_ms) };
    tx.invalidates("connections", request.id);
    await run(db.updateTable("connections").set(again).where("id", "=", request.id));
    return { kind: "leased", row: { ...row, ...again } };
  }
  if (isWaitedFor(row, request, now)) return { kind: "overdue", row };
  if (!isDue(row, request.urgency, now)) return { kind: "not_yet", row };
  const lease_until = plus(now, request.lease_ms);
  const attempt = row.attempt + 1;
  const lease = {
    lease_owner: request.owner,
    lease_until,
    attempt,
    attempted_at: now,
    // The earliest request of unknown outcome: from then on a provider may count the time that it bears a second one.
    intent_at: row.intent_rt_fp === row.rt_fp ? (row.intent_at ?? now) : now,
    intent_rt_fp: row.rt_fp,
    // This is that attempt: what becomes of it decides about the next one.
    next_attempt_at: null,
    confirm_at: null,
  };
  tx.invalidates("connections", request.id);
  await run(db.updateTable("connections").set(lease).where("id", "=", request.id));
  return { kind: "claimed", row, attempt, lease_until };
}

/** The confirming request of an ended connection, of which nobody could note how it went: no other one follows it. */
async function forgetEnded({ db, now, invalidates }: Transaction, row: ConnectionRow): Promise<ConnectionRow> {
  const is_held = row.lease_until !== null && row.lease_until > now;
  if (row.status !== "expired" || row.confirm_at !== null || row.intent_at === null || is_held) return row;
  const none = { lease_owner: null, lease_until: null, intent_at: null, intent_rt_fp: null };
  invalidates("connections", row.id);
  await run(db.updateTable("connections").set(none).where("id", "=", row.id));
  return { ...row, ...none };
}

/** Whether the same refresh token may be sent though an earlier request of it may still be on its way. */
function mayResend(row: ConnectionRow, resend_ms: number | null, now: Instant): boolean {
  if (resend_ms === null || row.intent_at === null) return true;
  // The intent lies ahead when the clock went back: a single-use token is not to be sent again for that.
  return resend_ms > 0 && now - row.intent_at < resend_ms;
}

function isWaitedFor(row: ConnectionRow, request: ClaimRequest, now: Instant): boolean {
  const { lease_owner, lease_until } = row;
  if (lease_owner === null || lease_until === null) return false;
  if (lease_owner === request.owner || lease_owner === request.gone) return false;
  return now < lease_until + request.holder_wait_ms && !mayResend(row, request.resend_ms, now);
}

function isDue(row: ConnectionRow, urgency: Urgency, now: Instant): boolean {
  if (row.next_attempt_at === null || row.next_attempt_at <= now) return true;
  // The clock went back, as that of a database that took over may: all that was scheduled by the other one is void.
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
  /** The generation that the seals were made to follow. */
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
  /** What the answer changes in values that others may change, too, while the request is out. */
  readonly merge: (row: ConnectionRow) => Pick<ConnectionRow, "scopes_granted" | "config">;
}

export type CommitOutcome =
  | { readonly kind: "committed"; readonly row: ConnectionRow; readonly before: ConnectionRow }
  /** The generation moved but the answer still counts: seal for `row.generation + 1` and commit again. */
  | { readonly kind: "reseal"; readonly row: ConnectionRow }
  /** A newer answer, another consent or a disconnect won. `row` is null when the connection is gone. */
  | { readonly kind: "superseded"; readonly row: ConnectionRow | null };

export async function commitRefresh(tx: Transaction, commit: RefreshCommit): Promise<CommitOutcome> {
  const row = await getConnection(tx, commit.id);
  if (row === null || row.status === "disconnected" || !isDescendant(row, commit)) return { kind: "superseded", row };
  if (row.generation !== commit.base_generation) return { kind: "reseal", row };
  const updated = {
    ...SETTLED,
    ...commit.set,
    ...commit.merge(row),
    // A later attempt that is still out keeps its lease and intent: its answer may replace this one.
    ...(row.attempt > commit.attempt
      ? {
          lease_owner: row.lease_owner,
          lease_until: row.lease_until,
          intent_at: row.intent_at,
          intent_rt_fp: row.intent_rt_fp,
        }
      : {}),
    // The token was sent a second time and refused: at some providers that ended what this answer brings, too. The intent
    // stays open, so that it is tried at once, and a refusal has its right name.
    ...(row.reason === "refresh_outcome_unknown" ? { intent_at: tx.now, intent_rt_fp: commit.set.rt_fp } : {}),
    // A refresh token with another end is another one to warn of.
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

/** Lineage: the stored token is the one that was exchanged, or the stored pair came from it by an earlier attempt. */
function isDescendant(row: ConnectionRow, commit: RefreshCommit): boolean {
  // The client was taken away meanwhile: what it was issued cannot be refreshed again, and the builder was told so.
  if (row.reason === "client_changed") return false;
  if (row.parent_rt_fp === commit.parent_fp) {
    // Somebody is exchanging the earlier answer's refresh token just now: what comes of that is newer than this.
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
  /** The request may have been carried out: keep the intent open, so that a later refusal is told from a revocation. */
  readonly keep_intent: boolean;
  /** Who had the lease before, if the outcome of its request is unknown still: it may come back with the only valid answer. */
  readonly earlier: Pick<ConnectionRow, "lease_owner" | "lease_until"> | null;
}

/** Only the latest attempt may write: an older one's failure says nothing about the newer one. */
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
 * What the sweeper has to look at: tokens to renew, open intents whose lease is over, refusals to confirm; but nothing of the
 * OAuth clients in `except`. What is returned is the caller's for `reserve_ms`: other nodes' sweepers get other rows.
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

/** One statement, so that it needs no transaction; who is at a row this moment is passed over instead of waited for. */
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
      where.or([isOver("reserved_until", now)(where), where("reserved_until", ">", plus(now, reserve_ms))]),
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
  // Not as a condition of the update: a planner may run it there more than once, and lock more rows than it was to find.
  const update = db
    .with("found", () => ids)
    .updateTable("connections")
    .set({ reserved_until: plus(now, reserve_ms) })
    .where("id", "in", (where) => where.selectFrom("found").select("id"))
    .returning(COLUMNS);
  // What is returned comes in any order; the longest due goes first.
  return (await CONNECTION.all(update)).toSorted((a, b) => (a.refresh_at ?? 0) - (b.refresh_at ?? 0));
}

/** As claimRefresh has it: what was leased or scheduled by an attempt that is still to come was so by another clock. */
const isUnheld = (now: Instant) => (where: ExpressionBuilder<Tables, "connections">) =>
  where.or([
    where.and([isOver("next_attempt_at", now)(where), isOver("lease_until", now)(where)]),
    where("attempted_at", ">", now),
  ]);

const isOver =
  (column: "reserved_until" | "next_attempt_at" | "lease_until", now: Instant) =>
  (where: ExpressionBuilder<Tables, "connections">) =>
    where.or([where(column, "is", null), where(column, "<=", now)]);

/** Gives back what was reserved and not looked at. */
export async function unreserve({ db }: Transaction, ids: readonly ConnectionId[]): Promise<void> {
  if (ids.length > 0) await run(db.updateTable("connections").set({ reserved_until: null }).where("id", "in", ids));
}

/** Leases that others than `owner` hold now. */
export async function foreignLeases({ db, now }: Transaction, owner: string, count: number): Promise<ConnectionRow[]> {
  return await CONNECTION.all(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      // Who has a lease has an intent, and those are found by index.
      .where("intent_at", "is not", null)
      .where("lease_until", ">", now)
      .where("lease_owner", "!=", owner)
      .limit(count),
  );
}

/**
 * Ends the lease of an owner that is gone, so that the intent can be taken up at once. False when it has ended already, or
 * the time is over in which the token may be sent again (`resend_ms`; null: never over).
 */
export async function releaseLease(
  tx: Transaction,
  id: ConnectionId,
  owner: string,
  resend_ms: number | null,
): Promise<boolean> {
  const row = await getConnection(tx, id);
  if (row === null || row.lease_owner !== owner || !mayResend(row, resend_ms, tx.now)) return false;
  tx.invalidates("connections", id);
  const update = tx.db
    .updateTable("connections")
    .set({ lease_owner: null, lease_until: null })
    .where("id", "=", id)
    .where("lease_owner", "=", owner);
  return (await run(update)) === 1;
}
