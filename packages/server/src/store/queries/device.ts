/**
 * Device codes (RFC 8628): requested by a CLI, approved or denied by a user, redeemed once. Each
 * step is one operation. Of two concurrent calls, one wins and the other returns the outcome.
 */
import { plus, type Instant } from "../../core/types.ts";
import { all, run, type Transaction } from "../operation.ts";
import { LOGIN } from "../rows.ts";
import type { DeviceCodesTable } from "../account-tables.ts";
import type { CliSessionRow, DeviceCodeRow } from "../tables.ts";
import { createCliSession, endCliSession, getCliSession, type NewPair, type SessionLife } from "./cli-sessions.ts";

const COLUMNS = [
  "device_hash",
  "user_code_hash",
  "client_id",
  "scope",
  "address",
  "network",
  "created_at",
  "expires_at",
  "interval_s",
  "polled_at",
  "state",
  "user_id",
  "session_id",
  "used_at",
] as const satisfies readonly (keyof DeviceCodesTable)[];

export type NewDeviceCode = Pick<
  DeviceCodeRow,
  "device_hash" | "user_code_hash" | "client_id" | "scope" | "address" | "network" | "expires_at" | "interval_s"
>;

export type CodeCreation =
  | { readonly kind: "created" }
  /** A live code has the same user code. */
  | { readonly kind: "taken" }
  | { readonly kind: "too_many"; readonly until: Instant };

/** Creates a device code. `limit` is the number of live codes per network. */
export async function createDeviceCode(tx: Transaction, code: NewDeviceCode, limit: number): Promise<CodeCreation> {
  const { db, now } = tx;
  if ((await findDeviceCode(tx, [code.user_code_hash])) !== null) return { kind: "taken" };
  const live = await all(
    db
      .selectFrom("device_codes")
      .select("expires_at")
      .where("network", "=", code.network)
      .where("expires_at", ">", now)
      .where("state", "=", "pending")
      .orderBy("expires_at"),
  );
  const [oldest] = live;
  if (live.length >= limit && oldest !== undefined) return { kind: "too_many", until: oldest.expires_at };
  await run(
    db.insertInto("device_codes").values({
      ...LOGIN.encode(code),
      created_at: now,
      polled_at: null,
      state: "pending",
      user_id: null,
      session_id: null,
      used_at: null,
    }),
  );
  return { kind: "created" };
}

/**
 * Returns the code that waits for a decision.
 *
 * @param user_code_hashes the HMACs of one user code, under each key
 */
export async function findDeviceCode(
  { db, now }: Transaction,
  user_code_hashes: readonly string[],
): Promise<DeviceCodeRow | null> {
  return await LOGIN.first(
    db
      .selectFrom("device_codes")
      .select(COLUMNS)
      .where("user_code_hash", "in", user_code_hashes)
      .where("state", "=", "pending")
      .where("expires_at", ">", now),
  );
}

/** Stores the decision. Returns null if no code waits for one. */
export async function decideDeviceCode(
  tx: Transaction,
  user_code_hashes: readonly string[],
  decision: { readonly state: "approved" | "denied"; readonly user_id: string },
): Promise<DeviceCodeRow | null> {
  const code = await findDeviceCode(tx, user_code_hashes);
  if (code === null) return null;
  const update = tx.db
    .updateTable("device_codes")
    .set(decision)
    .where("device_hash", "=", code.device_hash)
    .where("state", "=", "pending");
  return (await run(update)) === 1 ? { ...code, ...decision } : null;
}

export type Redemption =
  | { readonly kind: "issued"; readonly session: CliSessionRow }
  | { readonly kind: "authorization_pending" | "slow_down" | "access_denied" | "expired_token" }
  /** `ended`: the session that the code was redeemed for, if this call ended it. */
  | { readonly kind: "invalid_grant"; readonly ended: CliSessionRow | null };

export interface Poll {
  readonly device_hash: string;
  readonly client_id: string;
  /** When the request arrived. A request concurrent with the successful one is not a second use. */
  readonly arrived_at: Instant;
  /** The id of the session that an approved code becomes. */
  readonly session_id: string;
  readonly pair: NewPair;
}

export interface PollRules extends SessionLife {
  /** Added to the interval by each poll that comes too early. */
  readonly slow_down_s: number;
  /** How much earlier than the interval a poll is allowed: network delays vary. */
  readonly jitter_ms: number;
}

/**
 * Redeems a device code (RFC 8628 §3.5).
 *
 * The interval never delays an approved code, since the public CLI ignores `slow_down`.
 *
 * A code that is presented again after it was redeemed was copied. Its session is ended, unless it
 * was used before.
 */
export async function redeemDeviceCode(tx: Transaction, poll: Poll, rules: PollRules): Promise<Redemption> {
  const { db, now } = tx;
  const find = db.selectFrom("device_codes").select(COLUMNS).where("device_hash", "=", poll.device_hash);
  const code = await LOGIN.first(find);
  if (code === null || code.client_id !== poll.client_id) return { kind: "invalid_grant", ended: null };
  if (code.state === "used") return { kind: "invalid_grant", ended: await endUnused(tx, code, poll, rules) };
  if (code.expires_at <= now) return { kind: "expired_token" };
  if (code.state === "denied") return { kind: "access_denied" };

  if (code.state === "approved" && code.user_id !== null) {
    const { client_id, scope, address, user_id } = code;
    const taken = db
      .updateTable("device_codes")
      .set({ state: "used", session_id: poll.session_id, used_at: now })
      .where("device_hash", "=", code.device_hash)
      .where("state", "=", "approved");
    if ((await run(taken)) !== 1) return { kind: "invalid_grant", ended: null };
    const session = { id: poll.session_id, user_id, client_id, scope, address };
    return { kind: "issued", session: await createCliSession(tx, session, poll.pair, rules) };
  }

  const too_soon = code.polled_at !== null && now < plus(code.polled_at, code.interval_s * 1_000 - rules.jitter_ms);
  const interval_s = code.interval_s + (too_soon ? rules.slow_down_s : 0);
  await run(
    db.updateTable("device_codes").set({ polled_at: now, interval_s }).where("device_hash", "=", code.device_hash),
  );
  return { kind: too_soon ? "slow_down" : "authorization_pending" };
}

async function endUnused(
  tx: Transaction,
  { session_id, used_at }: DeviceCodeRow,
  { arrived_at }: Poll,
  { jitter_ms }: PollRules,
): Promise<CliSessionRow | null> {
  if (session_id === null || used_at === null || arrived_at <= plus(used_at, jitter_ms)) return null;
  const session = await getCliSession(tx, session_id);
  if (session === null || session.first_used_at !== null) return null;
  await endCliSession(tx, session.id);
  return session;
}
