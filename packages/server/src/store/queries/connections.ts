/**
 * Connections: reading them, putting a consented pair of tokens, and every step of the refresh protocol.
 *
 * A refresh is: claim (lease and intent, durable before any byte is sent), then exactly one of commit, fail, expire.
 * The lease keeps two holders from sending at once; lineage decides what is stored: an answer counts if it descends from
 * the stored refresh token, even when the lease ran out, since a paused holder's answer may be the only valid one.
 */
import { mayMove, type ReasonCode } from "../../core/status.ts";
import { plus, type AppId, type ConnectionId, type Instant, type OAuthClientId } from "../../core/types.ts";
import { all, first, run, type Operation, type Transaction } from "../operation.ts";
import type { ConnectionRow, ConnectionsTable, FailClass } from "../tables.ts";

const COLUMNS = [
  "app_id",
  "id",
  "connector_id",
  "app_user_id",
  "integration_type",
  "status",
  "reason",
  "account_id",
  "account_label",
  "account_email",
  "scopes_requested",
  "scopes_granted",
  "config",
  "sealed_access",
  "sealed_refresh",
  "generation",
  "rt_fp",
  "issued_at",
  "expires_at",
  "last_lifetime_s",
  "sealed_previous_access",
  "previous_expires_at",
  "refresh_at",
  "refresh_token_expires_at",
  "warned_days",
  "lease_owner",
  "lease_until",
  "attempt",
  "attempted_at",
  "intent_at",
  "intent_rt_fp",
  "parent_rt_fp",
  "win_attempt",
  "next_attempt_at",
  "fail_class",
  "failures",
  "failing_since",
  "confirm_at",
  "oauth_client_id",
  "connected_by",
  "created_at",
  "updated_at",
] as const satisfies readonly (keyof ConnectionsTable)[];

/** Lease, intent and failure bookkeeping as it is after an outcome is known. */
const SETTLED = {
  lease_owner: null,
  lease_until: null,
  intent_at: null,
  intent_rt_fp: null,
  next_attempt_at: null,
  fail_class: null,
  failures: 0,
  failing_since: null,
  confirm_at: null,
} as const;

export function* getConnection({ db }: Transaction, id: ConnectionId): Operation<ConnectionRow | null> {
  return yield* first(db.selectFrom("connections").select(COLUMNS).where("id", "=", id));
}

/** The app's own connection of a type (neither a workspace connector's nor an app user's). */
export function* findConnection(
  { db }: Transaction,
  app_id: AppId,
  integration_type: string,
): Operation<ConnectionRow | null> {
  return yield* first(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      .where("app_id", "=", app_id)
      .where("integration_type", "=", integration_type)
      .where("connector_id", "is", null),
  );
}

export function* listConnections({ db }: Transaction, app_id: AppId): Operation<ConnectionRow[]> {
  return yield* all(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      .where("app_id", "=", app_id)
      .where("connector_id", "is", null)
      .orderBy("integration_type"),
  );
}

export function* connectionsOfClient({ db }: Transaction, oauth_client_id: OAuthClientId): Operation<ConnectionRow[]> {
  return yield* all(db.selectFrom("connections").select(COLUMNS).where("oauth_client_id", "=", oauth_client_id));
}

/** Everything a consent decides. The rest of the row is bookkeeping that starts afresh. */
export type ConsentedConnection = Pick<
  ConnectionsTable,
  | "app_id"
  | "id"
  | "integration_type"
  | "account_id"
  | "account_label"
  | "account_email"
  | "scopes_requested"
  | "scopes_granted"
  | "config"
  | "sealed_access"
  | "sealed_refresh"
  | "generation"
  | "rt_fp"
  | "issued_at"
  | "expires_at"
  | "last_lifetime_s"
  | "refresh_at"
  | "refresh_token_expires_at"
  | "oauth_client_id"
  | "connected_by"
>;

/**
 * Stores the tokens of a fresh consent, over whatever was there. Refused (false) when the row moved since `seen`, for the
 * seals name a generation: seal again for the next one and repeat.
 */
export function* putConnection(
  { db, now }: Transaction,
  consented: ConsentedConnection,
  seen: ConnectionRow | null,
): Operation<boolean> {
  const fresh = {
    ...consented,
    ...SETTLED,
    status: "active",
    reason: null,
    parent_rt_fp: null,
    win_attempt: null,
    warned_days: null,
    sealed_previous_access: null,
    previous_expires_at: null,
    updated_at: now,
  } as const;
  if (seen === null) {
    const row = { ...fresh, connector_id: null, app_user_id: null, attempt: 0, attempted_at: null, created_at: now };
    return (
      (yield* run(
        db
          .insertInto("connections")
          .values(row)
          .onConflict((conflict) => conflict.doNothing()),
      )) === 1
    );
  }
  const update = db
    .updateTable("connections")
    .set(fresh)
    .where("id", "=", seen.id)
    .where("generation", "=", seen.generation);
  return (yield* run(update)) === 1;
}

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
}

export type Claim =
  /** `row` as it was before: `row.intent_at` tells whether an earlier request's outcome is still unknown. */
  | { readonly kind: "claimed"; readonly row: ConnectionRow; readonly attempt: number; readonly lease_until: Instant }
  /** Someone was faster: use what is there now. */
  | { readonly kind: "moved"; readonly row: ConnectionRow }
  | { readonly kind: "leased"; readonly row: ConnectionRow }
  | { readonly kind: "not_yet"; readonly row: ConnectionRow }
  | { readonly kind: "gone" };

export function* claimRefresh({ db, now }: Transaction, request: ClaimRequest): Operation<Claim> {
  const row = yield* getConnection({ db, now }, request.id);
  if (row === null) return { kind: "gone" };
  const confirming = row.status === "expired" && row.confirm_at !== null && row.confirm_at <= now;
  if (
    row.generation !== request.generation ||
    row.sealed_refresh === null ||
    (row.status !== "active" && !confirming)
  ) {
    return { kind: "moved", row };
  }
  if (row.lease_until !== null && row.lease_until > now) return { kind: "leased", row };
  if (!isDue(row, request.urgency, now)) return { kind: "not_yet", row };
  const lease_until = plus(now, request.lease_ms);
  const attempt = row.attempt + 1;
  const lease = {
    lease_owner: request.owner,
    lease_until,
    attempt,
    attempted_at: now,
    intent_at: now,
    intent_rt_fp: row.rt_fp,
    confirm_at: null,
  };
  yield* run(db.updateTable("connections").set(lease).where("id", "=", request.id));
  return { kind: "claimed", row, attempt, lease_until };
}

function isDue(row: ConnectionRow, urgency: Urgency, now: Instant): boolean {
  if (row.next_attempt_at === null || row.next_attempt_at <= now) return true;
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
    | "scopes_granted"
    | "config"
    | "sealed_previous_access"
    | "previous_expires_at"
  >;
}

export type CommitOutcome =
  | { readonly kind: "committed"; readonly row: ConnectionRow; readonly recovered: boolean }
  /** The generation moved but the answer still counts: seal for `row.generation + 1` and commit again. */
  | { readonly kind: "reseal"; readonly row: ConnectionRow }
  /** A newer answer, another consent or a disconnect won. `row` is null when the connection is gone. */
  | { readonly kind: "superseded"; readonly row: ConnectionRow | null };

export function* commitRefresh(tx: Transaction, commit: RefreshCommit): Operation<CommitOutcome> {
  const row = yield* getConnection(tx, commit.id);
  if (row === null || row.status === "disconnected" || !isDescendant(row, commit)) return { kind: "superseded", row };
  if (row.generation !== commit.base_generation) return { kind: "reseal", row };
  const updated = {
    ...SETTLED,
    ...commit.set,
    // A later attempt that is still out keeps its lease and intent: its answer may replace this one.
    ...(row.attempt > commit.attempt
      ? {
          lease_owner: row.lease_owner,
          lease_until: row.lease_until,
          intent_at: row.intent_at,
          intent_rt_fp: row.intent_rt_fp,
        }
      : {}),
    // A refresh token with another end is another one to warn of.
    warned_days: commit.set.refresh_token_expires_at === row.refresh_token_expires_at ? row.warned_days : null,
    status: "active",
    reason: null,
    generation: row.generation + 1,
    parent_rt_fp: commit.parent_fp,
    win_attempt: commit.attempt,
    updated_at: tx.now,
  } as const;
  yield* run(tx.db.updateTable("connections").set(updated).where("id", "=", commit.id));
  return { kind: "committed", row: { ...row, ...updated }, recovered: row.status === "expired" };
}

/** Lineage: the stored token is the one that was exchanged, or the stored pair came from it by an earlier attempt. */
function isDescendant(row: ConnectionRow, commit: RefreshCommit): boolean {
  // The client was taken away meanwhile: what it was issued cannot be refreshed again, and the builder was told so (R7).
  if (row.reason === "client_changed") return false;
  if (row.parent_rt_fp === commit.parent_fp) return row.win_attempt !== null && row.win_attempt < commit.attempt;
  return row.rt_fp === commit.parent_fp;
}

export interface RefreshFailure {
  readonly id: ConnectionId;
  readonly attempt: number;
  readonly fail_class: FailClass;
  readonly next_attempt_at: Instant;
  /** The request may have been carried out: keep the intent open, so that a later refusal is told from a revocation. */
  readonly keep_intent: boolean;
}

/** Only the latest attempt may write: an older one's failure says nothing about the newer one. */
export function* failRefresh({ db, now }: Transaction, failure: RefreshFailure): Operation<ConnectionRow | null> {
  const row = yield* getConnection({ db, now }, failure.id);
  if (row === null || row.attempt !== failure.attempt || row.intent_at === null) return null;
  const set = {
    lease_owner: null,
    lease_until: null,
    ...(failure.keep_intent ? {} : { intent_at: null, intent_rt_fp: null }),
    next_attempt_at: failure.next_attempt_at,
    fail_class: failure.fail_class,
    failures: row.failures + 1,
    failing_since: row.failing_since ?? now,
  };
  yield* run(db.updateTable("connections").set(set).where("id", "=", failure.id));
  return { ...row, ...set };
}

export interface StatusChange {
  readonly id: ConnectionId;
  /** Refused (null) when the row has moved on. */
  readonly generation: number;
  readonly status: "expired" | "disconnected";
  readonly reason: ReasonCode;
  readonly confirm_at: Instant | null;
}

export function* changeStatus({ db, now }: Transaction, change: StatusChange): Operation<ConnectionRow | null> {
  const row = yield* getConnection({ db, now }, change.id);
  if (row === null || row.generation !== change.generation || !mayMove(row.status, change.status)) return null;
  // A disconnected connection keeps its scopes and forgets its tokens.
  const tokens = {
    sealed_access: null,
    sealed_refresh: null,
    rt_fp: null,
    sealed_previous_access: null,
    previous_expires_at: null,
    refresh_at: null,
    expires_at: null,
    generation: row.generation + 1,
  };
  const set = {
    ...SETTLED,
    ...(change.status === "disconnected" ? tokens : {}),
    status: change.status,
    reason: change.reason,
    confirm_at: change.confirm_at,
    updated_at: now,
  } as const;
  yield* run(db.updateTable("connections").set(set).where("id", "=", change.id));
  return { ...row, ...set };
}

export function* deleteConnection({ db }: Transaction, id: ConnectionId): Operation<boolean> {
  return (yield* run(db.deleteFrom("connections").where("id", "=", id))) === 1;
}

/**
 * What the sweeper has to look at: tokens to renew, open intents whose lease is over, refusals to confirm; but nothing of the
 * OAuth clients in `except`.
 */
export function* dueConnections(
  { db, now }: Transaction,
  count: number,
  except: readonly OAuthClientId[] = [],
): Operation<ConnectionRow[]> {
  const due = yield* all(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      .$if(except.length > 0, (query) => query.where("oauth_client_id", "not in", except))
      .where("status", "=", "active")
      .where("refresh_at", "is not", null)
      .where("refresh_at", "<=", now)
      .where("sealed_refresh", "is not", null)
      .where((where) => where.or([where("next_attempt_at", "is", null), where("next_attempt_at", "<=", now)]))
      .where((where) => where.or([where("lease_until", "is", null), where("lease_until", "<=", now)]))
      .orderBy("refresh_at")
      .limit(count),
  );
  const open = yield* all(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      .$if(except.length > 0, (query) => query.where("oauth_client_id", "not in", except))
      .where("intent_at", "is not", null)
      .where((where) => where.or([where("next_attempt_at", "is", null), where("next_attempt_at", "<=", now)]))
      .where((where) => where.or([where("lease_until", "is", null), where("lease_until", "<=", now)]))
      .limit(count),
  );
  const confirm = yield* all(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      .$if(except.length > 0, (query) => query.where("oauth_client_id", "not in", except))
      .where("confirm_at", "is not", null)
      .where("confirm_at", "<=", now)
      .limit(count),
  );
  const byId = new Map([...open, ...due, ...confirm].map((row) => [row.id, row]));
  return [...byId.values()].slice(0, count);
}

const DAY_MS = 86_400_000;

/** Active connections whose refresh token ends in less than 7 days, or 1, and which were not warned of that yet. */
export function* endingConnections({ db, now }: Transaction, count: number): Operation<ConnectionRow[]> {
  return yield* all(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      .where("status", "=", "active")
      .where("refresh_token_expires_at", "is not", null)
      .where("refresh_token_expires_at", "<=", plus(now, 7 * DAY_MS))
      .where((where) =>
        where.or([
          where("warned_days", "is", null),
          where.and([where("warned_days", "=", 7), where("refresh_token_expires_at", "<=", plus(now, DAY_MS))]),
        ]),
      )
      .limit(count),
  );
}

/** Notes the warning, once: the days that it speaks of, or null when another node gave it or the end has moved. */
export function* warnOfEnd({ db, now }: Transaction, row: ConnectionRow): Operation<7 | 1 | null> {
  if (row.refresh_token_expires_at === null) return null;
  const days = row.refresh_token_expires_at <= plus(now, DAY_MS) ? 1 : 7;
  const update = db
    .updateTable("connections")
    .set({ warned_days: days })
    .where("id", "=", row.id)
    .where("generation", "=", row.generation)
    .where((where) => where.or([where("warned_days", "is", null), where("warned_days", ">", days)]));
  return (yield* run(update)) === 1 ? days : null;
}

/** Leases that are held now, whoever holds them. */
export function* leasedConnections({ db, now }: Transaction): Operation<ConnectionRow[]> {
  return yield* all(
    db.selectFrom("connections").select(COLUMNS).where("lease_until", "is not", null).where("lease_until", ">", now),
  );
}

/** Ends the lease of an owner that is gone, so that the intent can be taken up at once. */
export function* releaseLease({ db }: Transaction, id: ConnectionId, owner: string): Operation<boolean> {
  const update = db
    .updateTable("connections")
    .set({ lease_owner: null, lease_until: null })
    .where("id", "=", id)
    .where("lease_owner", "=", owner);
  return (yield* run(update)) === 1;
}

/** A new client secret: what failed for the old one may be tried again at once. */
export function* clearMisconfigured({ db }: Transaction, oauth_client_id: OAuthClientId): Operation<number> {
  return yield* run(
    db
      .updateTable("connections")
      .set({ next_attempt_at: null, fail_class: null, failures: 0, failing_since: null })
      .where("oauth_client_id", "=", oauth_client_id)
      .where("fail_class", "=", "misconfigured"),
  );
}
