/**
 * The account library's rows, and our own queries of its tables.
 *
 * The library names table and columns at run time, so these operations take them as values. They
 * accept only the tables and columns in LIBRARY_COLUMNS.
 */
import { sql, type RawBuilder } from "kysely";
import type { UserId } from "../../core/types.ts";
import { all, first, run, type Transaction } from "../operation.ts";
import { USER } from "../rows.ts";
import type { AuthSessionTable } from "../account-tables.ts";
import type { UserRow } from "../tables.ts";

export const LIBRARY_COLUMNS = {
  auth_user: ["id", "name", "email", "email_verified", "created_at", "updated_at"],
  auth_session: ["id", "user_id", "token_hash", "ip_address", "user_agent", "created_at", "updated_at", "expires_at"],
  auth_account: ["id", "user_id", "account_id", "provider_id", "password", "created_at", "updated_at"],
  auth_member: ["id", "workspace_id", "user_id", "role", "created_at"],
  workspaces: ["id", "name", "slug", "created_at", "plan"],
} as const satisfies Record<string, readonly string[]>;

export type LibraryTable = keyof typeof LIBRARY_COLUMNS;
export type LibraryValue = string | number | null;
export type LibraryRow = Readonly<Record<string, LibraryValue>>;

export interface Condition {
  readonly column: string;
  readonly operator: "=" | "<>" | "<" | "<=" | ">" | ">=" | "in";
  readonly value: LibraryValue | readonly LibraryValue[];
}

export interface Order {
  readonly column: string;
  readonly direction: "asc" | "desc";
}

export async function insertLibraryRow({ db }: Transaction, table: LibraryTable, row: LibraryRow): Promise<void> {
  const columns = Object.keys(row).map((column) => columnRef(table, column));
  const values = Object.values(row).map((value) => sql`${value}`);
  const insert = sql`insert into ${sql.table(table)} (${sql.join(columns)}) values (${sql.join(values)})`;
  await insert.execute(db);
}

export async function findLibraryRows(
  { db }: Transaction,
  table: LibraryTable,
  conditions: readonly Condition[],
  { order, limit, offset = 0 }: { order?: Order | undefined; limit: number; offset?: number | undefined },
): Promise<LibraryRow[]> {
  const columns = LIBRARY_COLUMNS[table].map((column) => sql.ref(column));
  const sorted =
    order === undefined ? sql`` : sql` order by ${columnRef(table, order.column)} ${sql.raw(order.direction)}`;
  const rows = sql<LibraryRow>`select ${sql.join(columns)} from ${sql.table(table)}${where(table, conditions)}${sorted}`;
  const found = await sql<LibraryRow>`${rows} limit ${limit} offset ${offset}`.execute(db);
  return found.rows;
}

export async function updateLibraryRows(
  { db }: Transaction,
  table: LibraryTable,
  conditions: readonly Condition[],
  change: LibraryRow,
): Promise<number> {
  const assignments = Object.entries(change).map(([column, value]) => sql`${columnRef(table, column)} = ${value}`);
  if (assignments.length === 0) return 0;
  const update = sql`update ${sql.table(table)} set ${sql.join(assignments)}${where(table, conditions)}`;
  return await changes(db, update);
}

export async function deleteLibraryRows(
  { db }: Transaction,
  table: LibraryTable,
  conditions: readonly Condition[],
): Promise<number> {
  return await changes(db, sql`delete from ${sql.table(table)}${where(table, conditions)}`);
}

export async function countLibraryRows(
  { db }: Transaction,
  table: LibraryTable,
  conditions: readonly Condition[],
): Promise<number> {
  const query = sql<{ count: number }>`select count(*) as count from ${sql.table(table)}${where(table, conditions)}`;
  const { rows } = await query.execute(db);
  return rows[0]?.count ?? 0;
}

async function changes(db: Transaction["db"], statement: RawBuilder<unknown>): Promise<number> {
  const { numAffectedRows } = await statement.execute(db);
  return Number(numAffectedRows ?? 0);
}

function columnRef(table: LibraryTable, column: string): RawBuilder<unknown> {
  const columns: readonly string[] = LIBRARY_COLUMNS[table];
  if (!columns.includes(column)) throw new Error(`The table ${table} has no column ${column}.`);
  return sql.ref(column);
}

function where(table: LibraryTable, conditions: readonly Condition[]): RawBuilder<unknown> {
  if (conditions.length === 0) return sql``;
  return sql` where ${sql.join(
    conditions.map((condition) => comparison(table, condition)),
    sql` and `,
  )}`;
}

function comparison(table: LibraryTable, { column, operator, value }: Condition): RawBuilder<unknown> {
  const ref = columnRef(table, column);
  if (isList(value)) return value.length === 0 ? sql`1 = 0` : sql`${ref} in (${sql.join(value)})`;
  if (value === null) return operator === "=" ? sql`${ref} is null` : sql`${ref} is not null`;
  return sql`${ref} ${sql.raw(operator)} ${value}`;
}

function isList(value: Condition["value"]): value is readonly LibraryValue[] {
  return Array.isArray(value);
}

const USER_COLUMNS = ["id", "name", "email", "email_verified", "created_at", "updated_at"] as const;

export async function getUser({ db }: Transaction, id: UserId): Promise<UserRow | null> {
  return await USER.first(db.selectFrom("auth_user").select(USER_COLUMNS).where("id", "=", id));
}

/** Returns the user with this email address, which must be in lower case. */
export async function findUser({ db }: Transaction, email: string): Promise<UserRow | null> {
  return await USER.first(db.selectFrom("auth_user").select(USER_COLUMNS).where("email", "=", email));
}

export async function hasUsers({ db }: Transaction): Promise<boolean> {
  return (await first(db.selectFrom("auth_user").select("id").limit(1))) !== null;
}

/** A session without the hash of its token. */
export type SessionRow = Omit<AuthSessionTable, "token_hash">;

export async function listSessions({ db, now }: Transaction, user_id: UserId): Promise<SessionRow[]> {
  return await all(
    db
      .selectFrom("auth_session")
      .select(["id", "user_id", "ip_address", "user_agent", "created_at", "updated_at", "expires_at"])
      .where("user_id", "=", user_id)
      .where("expires_at", ">", now)
      .orderBy("updated_at", "desc")
      .orderBy("id"),
  );
}

export async function endSession({ db }: Transaction, user_id: UserId, id: string): Promise<boolean> {
  return (await run(db.deleteFrom("auth_session").where("user_id", "=", user_id).where("id", "=", id))) === 1;
}
