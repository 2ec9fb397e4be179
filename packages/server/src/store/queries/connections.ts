/**
 * Connections: reading, storing the tokens of a consent, ending, deleting. Refreshes are in
 * refresh.ts.
 */
import { canMove, type ReasonCode } from "../../core/status.ts";
import { plus, type AppId, type ConnectionId, type OAuthClientId } from "../../core/types.ts";
import { all, idsOf, run, type Transaction } from "../operation.ts";
import { CONNECTION } from "../rows.ts";
import type { ConnectionRow, ConnectionsTable } from "../tables.ts";
import { requireApp } from "./owners.ts";
import { blockedSince } from "./governance.ts";

export const COLUMNS = [
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
  "refresh_at",
  "refresh_token_expires_at",
  "warned_days",
  "reserved_until",
  "lease_owner",
  "lease_until",
  "earlier_owner",
  "earlier_at",
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
  "blocked_at",
  "checked_at",
] as const satisfies readonly (keyof ConnectionsTable)[];

/** Lease, intent and failure columns once the outcome of a request is known. */
export const SETTLED = {
  reserved_until: null,
  lease_owner: null,
  lease_until: null,
  earlier_owner: null,
  earlier_at: null,
  intent_at: null,
  intent_rt_fp: null,
  next_attempt_at: null,
  fail_class: null,
  failures: 0,
  failing_since: null,
  confirm_at: null,
} as const;

export async function getConnection({ db }: Transaction, id: ConnectionId): Promise<ConnectionRow | null> {
  return await CONNECTION.first(db.selectFrom("connections").select(COLUMNS).where("id", "=", id));
}

/** Returns the app's own connection to a service, not a workspace connector's or an app user's. */
export async function findConnection(
  { db }: Transaction,
  app_id: AppId,
  integration_type: string,
): Promise<ConnectionRow | null> {
  return await CONNECTION.first(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      .where("app_id", "=", app_id)
      .where("integration_type", "=", integration_type)
      .where("connector_id", "is", null),
  );
}

export async function listConnections({ db }: Transaction, app_id: AppId): Promise<ConnectionRow[]> {
  return await CONNECTION.all(
    db
      .selectFrom("connections")
      .select(COLUMNS)
      .where("app_id", "=", app_id)
      .where("connector_id", "is", null)
      .orderBy("integration_type"),
  );
}

export async function connectionsOfClient(
  { db }: Transaction,
  oauth_client_id: OAuthClientId,
): Promise<ConnectionRow[]> {
  return await CONNECTION.all(
    db.selectFrom("connections").select(COLUMNS).where("oauth_client_id", "=", oauth_client_id),
  );
}

/** The columns that a consent decides. All others are bookkeeping, which it resets. */
export type ConsentedConnection = Pick<
  ConnectionRow,
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
 * Stores the tokens of a consent, and replaces the previous ones.
 *
 * Returns false if the row's generation changed since `seen`. The seals contain the generation,
 * so the caller seals again for the next one and repeats.
 */
export async function putConnection(
  tx: Transaction,
  consented: ConsentedConnection,
  seen: ConnectionRow | null,
): Promise<boolean> {
  const { db, now, invalidates } = tx;
  invalidates("connections", seen?.id ?? consented.id);
  const fresh = {
    ...CONNECTION.encode(consented),
    ...SETTLED,
    status: "active",
    reason: null,
    parent_rt_fp: null,
    win_attempt: null,
    warned_days: null,
    updated_at: now,
    blocked_at: await blockedSince(tx, consented.app_id, consented.integration_type),
    checked_at: null,
  } as const;
  if (seen === null) {
    // If the app was deleted during the consent, nothing would ever delete this connection.
    await requireApp(tx, consented.app_id);
    const row = { ...fresh, connector_id: null, app_user_id: null, attempt: 0, attempted_at: null, created_at: now };
    return (
      (await run(
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
  return (await run(update)) === 1;
}

export interface StatusChange {
  readonly id: ConnectionId;
  /** The change is refused when the row has another generation. */
  readonly generation: number;
  /** The refused refresh attempt. The change is also refused when a later attempt is running. */
  readonly attempt?: number;
  readonly status: "expired" | "disconnected";
  readonly reason: ReasonCode;
  /** When one more request confirms the refusal. Null: never. */
  readonly confirm_in_ms: number | null;
}

/** Ends a connection. Returns the new row, or null if the change was refused. */
export async function changeStatus(tx: Transaction, change: StatusChange): Promise<ConnectionRow | null> {
  const { db, now } = tx;
  const row = await getConnection(tx, change.id);
  if (row === null || row.generation !== change.generation || !canMove(row.status, change.status)) return null;
  if (change.attempt !== undefined && change.attempt !== row.attempt) return null;
  // A disconnected connection keeps its scopes and loses its tokens.
  const tokens = {
    sealed_access: null,
    sealed_refresh: null,
    rt_fp: null,
    refresh_at: null,
    expires_at: null,
    generation: row.generation + 1,
  };
  const set = {
    ...SETTLED,
    ...(change.status === "disconnected" ? tokens : {}),
    status: change.status,
    reason: change.reason,
    confirm_at: change.confirm_in_ms === null ? null : plus(now, change.confirm_in_ms),
    updated_at: now,
  } as const;
  tx.invalidates("connections", change.id);
  await run(db.updateTable("connections").set(set).where("id", "=", change.id));
  return { ...row, ...set };
}

export async function deleteConnection({ db, invalidates }: Transaction, id: ConnectionId): Promise<boolean> {
  invalidates("connections", id);
  return (await run(db.deleteFrom("connections").where("id", "=", id))) === 1;
}

const DAY_MS = 86_400_000;

/**
 * Returns active connections whose refresh token expires within 7 days or 1 day, and that have no
 * warning yet.
 */
export async function endingConnections({ db, now }: Transaction, count: number): Promise<ConnectionRow[]> {
  return await CONNECTION.all(
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

/**
 * Records the warning, once. Returns its number of days, or null if another node recorded it or
 * the tokens changed.
 */
export async function warnOfEnd({ db, now, invalidates }: Transaction, row: ConnectionRow): Promise<7 | 1 | null> {
  if (row.refresh_token_expires_at === null) return null;
  invalidates("connections", row.id);
  const days = row.refresh_token_expires_at <= plus(now, DAY_MS) ? 1 : 7;
  const update = db
    .updateTable("connections")
    .set({ warned_days: days })
    .where("id", "=", row.id)
    .where("generation", "=", row.generation)
    .where((where) => where.or([where("warned_days", "is", null), where("warned_days", ">", days)]));
  return (await run(update)) === 1 ? days : null;
}

/** Records that the provider's API accepted the access token of this generation. */
export async function recordCheck({ db, now }: Transaction, id: ConnectionId, generation: number): Promise<void> {
  await run(
    db.updateTable("connections").set({ checked_at: now }).where("id", "=", id).where("generation", "=", generation),
  );
}

/**
 * Allows immediate refreshes of a client's misconfigured connections, after its secret changed.
 * Returns their number.
 */
export async function clearMisconfigured(
  { db, invalidates }: Transaction,
  oauth_client_id: OAuthClientId,
): Promise<number> {
  const cleared = await all(
    db
      .updateTable("connections")
      .set({ next_attempt_at: null, fail_class: null, failures: 0, failing_since: null })
      .where("oauth_client_id", "=", oauth_client_id)
      .where("fail_class", "=", "misconfigured")
      .returning("id"),
  );
  invalidates("connections", idsOf(cleared));
  return cleared.length;
}
