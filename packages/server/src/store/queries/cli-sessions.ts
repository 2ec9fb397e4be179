/**
 * CLI sessions and their tokens. Ending a session deletes it with its tokens, so that neither a
 * copy of the database nor a later mistake restores access.
 */
import { plus, type Instant } from "../../core/types.ts";
import { all, run, type Transaction } from "../operation.ts";
import { LOGIN } from "../rows.ts";
import type { CliSessionsTable, CliTokensTable } from "../account-tables.ts";
import type { CliSessionRow } from "../tables.ts";

const SESSION_COLUMNS = [
  "id",
  "user_id",
  "client_id",
  "scope",
  "address",
  "created_at",
  "first_used_at",
  "last_used_at",
] as const satisfies readonly (keyof CliSessionsTable)[];

/** The hashes of a new pair of tokens. */
export interface NewPair {
  readonly access_hash: string;
  readonly refresh_hash: string;
}

export interface SessionLife {
  readonly access_ttl_ms: number;
  readonly idle_ms: number;
  readonly absolute_ms: number;
}

export async function createCliSession(
  tx: Transaction,
  session: Pick<CliSessionRow, "id" | "user_id" | "client_id" | "scope" | "address">,
  pair: NewPair,
  life: SessionLife,
): Promise<CliSessionRow> {
  const row = { ...session, created_at: tx.now, first_used_at: null, last_used_at: tx.now };
  await run(tx.db.insertInto("cli_sessions").values(LOGIN.encode(row)));
  await addPair(tx, row, pair, life);
  return row;
}

async function addPair(
  { db, now }: Transaction,
  session: CliSessionRow,
  { access_hash, refresh_hash }: NewPair,
  life: SessionLife,
): Promise<void> {
  const end = plus(session.created_at, life.absolute_ms);
  const common = { session_id: session.id, created_at: now, rotated_at: null };
  const tokens: CliTokensTable[] = [
    { ...common, hash: access_hash, kind: "access", expires_at: earlier(plus(now, life.access_ttl_ms), end) },
    { ...common, hash: refresh_hash, kind: "refresh", expires_at: end },
  ];
  await run(db.insertInto("cli_tokens").values(tokens));
}

const earlier = (a: Instant, b: Instant): Instant => (a < b ? a : b);

export async function getCliSession({ db }: Transaction, id: string): Promise<CliSessionRow | null> {
  return await LOGIN.first(db.selectFrom("cli_sessions").select(SESSION_COLUMNS).where("id", "=", id));
}

export type FoundCliToken = CliSessionRow & Pick<CliTokensTable, "kind" | "expires_at" | "rotated_at">;

export async function findCliToken({ db }: Transaction, hash: string): Promise<FoundCliToken | null> {
  return await LOGIN.first(
    db
      .selectFrom("cli_tokens")
      .innerJoin("cli_sessions", "cli_sessions.id", "cli_tokens.session_id")
      .select(SESSION_COLUMNS.map((column) => `cli_sessions.${column}` as const))
      .select(["cli_tokens.kind", "cli_tokens.expires_at", "cli_tokens.rotated_at"])
      .where("cli_tokens.hash", "=", hash),
  );
}

export function isSessionExpired(session: CliSessionRow, now: Instant, life: SessionLife): boolean {
  return now >= plus(session.last_used_at, life.idle_ms) || now >= plus(session.created_at, life.absolute_ms);
}

export type Rotation =
  | { readonly kind: "rotated"; readonly session: CliSessionRow }
  /** The token is unknown, or its session has expired. */
  | { readonly kind: "unknown" }
  /** The token was copied. The session was ended (RFC 9700 §4.14.2). */
  | { readonly kind: "reused"; readonly session: CliSessionRow };

/**
 * Exchanges a refresh token for a new pair.
 *
 * A token that was already exchanged returns another pair for `grace_ms`, since a reply can be lost
 * and two commands can run at once. After that it ends the session.
 *
 * All refresh tokens of the session then count as exchanged. Otherwise a token of a lost reply
 * would stay valid beside the new one.
 */
export async function rotateCliToken(
  tx: Transaction,
  used: { readonly refresh_hash: string; readonly client_id: string },
  pair: NewPair,
  life: SessionLife & { readonly grace_ms: number },
): Promise<Rotation> {
  const { db, now } = tx;
  const token = await findCliToken(tx, used.refresh_hash);
  if (token === null || token.kind !== "refresh" || token.client_id !== used.client_id) return { kind: "unknown" };
  const { kind: _kind, expires_at: _end, rotated_at, ...session } = token;
  if (isSessionExpired(session, now, life)) {
    await endCliSession(tx, session.id);
    return { kind: "unknown" };
  }
  if (rotated_at !== null && now >= plus(rotated_at, life.grace_ms)) {
    await endCliSession(tx, session.id);
    return { kind: "reused", session };
  }
  if (rotated_at === null)
    await run(
      db
        .updateTable("cli_tokens")
        .set({ rotated_at: now })
        .where("session_id", "=", session.id)
        .where("kind", "=", "refresh")
        .where("rotated_at", "is", null),
    );
  await addPair(tx, session, pair, life);
  await useCliSession(tx, session.id);
  return { kind: "rotated", session };
}

export async function useCliSession({ db, now }: Transaction, id: string): Promise<void> {
  await run(db.updateTable("cli_sessions").set({ last_used_at: now }).where("id", "=", id));
  await run(
    db.updateTable("cli_sessions").set({ first_used_at: now }).where("id", "=", id).where("first_used_at", "is", null),
  );
}

/**
 * Ends a session. Returns false if there is none.
 *
 * @param user_id the owner, if the caller requires one
 */
export async function endCliSession({ db }: Transaction, id: string, user_id?: string): Promise<boolean> {
  let deletion = db.deleteFrom("cli_sessions").where("id", "=", id);
  if (user_id !== undefined) deletion = deletion.where("user_id", "=", user_id);
  if ((await run(deletion)) === 0) return false;
  await run(db.deleteFrom("cli_tokens").where("session_id", "=", id));
  return true;
}

/** Ends all sessions of a user. Returns their number. */
export async function endCliSessionsOf(tx: Transaction, user_id: string): Promise<number> {
  const sessions = await listCliSessions(tx, user_id);
  for (const { id } of sessions) await endCliSession(tx, id);
  return sessions.length;
}

export async function listCliSessions({ db }: Transaction, user_id: string): Promise<CliSessionRow[]> {
  return await LOGIN.all(
    db.selectFrom("cli_sessions").select(SESSION_COLUMNS).where("user_id", "=", user_id).orderBy("created_at"),
  );
}

/** Deletes codes, sessions and tokens that have expired. */
export async function deleteOldLogins(
  { db, now }: Transaction,
  life: SessionLife,
  codes_before: Instant,
): Promise<void> {
  await run(db.deleteFrom("device_codes").where("expires_at", "<", codes_before));
  await run(db.deleteFrom("cli_tokens").where("expires_at", "<=", now));
  const expired = await all(
    db
      .selectFrom("cli_sessions")
      .select("id")
      .where((where) =>
        where.or([
          where("last_used_at", "<=", plus(now, -life.idle_ms)),
          where("created_at", "<=", plus(now, -life.absolute_ms)),
        ]),
      ),
  );
  for (const { id } of expired) {
    await run(db.deleteFrom("cli_tokens").where("session_id", "=", id));
    await run(db.deleteFrom("cli_sessions").where("id", "=", id));
  }
}
