/** The connections that a sweeper works on: those due for a refresh, and other nodes' leases. */
import type { ExpressionBuilder } from "kysely";
import { plus, type ConnectionId, type Instant, type OAuthClientId } from "../../../core/types.ts";
import { run, type Transaction } from "../../operation.ts";
import { CONNECTION } from "../../rows.ts";
import type { ConnectionRow, Tables } from "../../tables.ts";
import { COLUMNS } from "../connections.ts";

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
