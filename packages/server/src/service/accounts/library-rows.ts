/**
 * Translates between the account library's records and rows of our tables. Names become our tables
 * and columns. A session token becomes its SHA-256, so a copy of the database cannot be used to
 * sign in. The library reads the system's clock and the database has its own, so times move by the
 * difference, both ways.
 */
import { systemClock, type Clock } from "../../core/clock.ts";
import { newId, newUserId, newWorkspaceId } from "../../core/ids.ts";
import { sha256Hex } from "../../core/secret.ts";
import {
  LIBRARY_COLUMNS,
  type Condition,
  type LibraryRow,
  type LibraryTable,
  type LibraryValue,
} from "../../store/queries/accounts.ts";

/** One condition of a query, as the library writes it. */
export interface LibraryCondition {
  readonly field: string;
  readonly value: unknown;
  readonly operator?: string;
  readonly connector?: string;
}

const TABLES: Readonly<Record<string, LibraryTable>> = {
  user: "auth_user",
  session: "auth_session",
  account: "auth_account",
  member: "auth_member",
  organization: "workspaces",
};
/** The columns whose names differ from the library's field in more than case. */
const COLUMNS: Readonly<Record<string, string>> = { organizationId: "workspace_id", token: "token_hash" };
const FIELDS = new Map(Object.entries(COLUMNS).map(([field, column]) => [column, field]));
const INSTANTS = new Set(["created_at", "updated_at", "expires_at"]);
const OPERATORS: Readonly<Record<string, Condition["operator"]>> = {
  eq: "=",
  ne: "<>",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
  in: "in",
};

export function tableOf(model: string): LibraryTable {
  const table = TABLES[model];
  if (table === undefined) throw new Error(`The account library uses the model ${model}, which has no table.`);
  return table;
}

export function columnOf(field: string): string {
  return COLUMNS[field] ?? field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function fieldOf(column: string): string {
  return FIELDS.get(column) ?? column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function newLibraryId(model: string): string {
  if (model === "user") return newUserId();
  if (model === "organization") return newWorkspaceId();
  if (model === "session") return newId("ses");
  return newId(model === "member" ? "mem" : "acc");
}

/** Returns the row to store. Drops null fields that have no column, such as pictures. */
export function toRow(clock: Clock, table: LibraryTable, record: object): LibraryRow {
  const known: readonly string[] = LIBRARY_COLUMNS[table];
  const cells = Object.entries(record).map(([field, value]) => {
    const column = columnOf(field);
    return [column, toValue(clock, column, value)] as const;
  });
  return Object.fromEntries(cells.filter(([column, value]) => value !== null || known.includes(column)));
}

/** @param token the token that the row was found by, since the row has only its hash */
export function toRecord(clock: Clock, row: LibraryRow, token: unknown): Record<string, unknown> {
  const cells = Object.entries(row).map(([column, value]) => {
    if (column === "token_hash") return ["token", typeof token === "string" ? token : value];
    if (!INSTANTS.has(column) || typeof value !== "number") return [fieldOf(column), value];
    return [fieldOf(column), new Date(value - aheadMs(clock))];
  });
  return Object.fromEntries(cells);
}

export function toConditions(clock: Clock, where: readonly LibraryCondition[] = []): readonly Condition[] {
  return where.map((condition, index) => toCondition(clock, condition, index === 0));
}

function toCondition(clock: Clock, condition: LibraryCondition, is_first: boolean): Condition {
  const { field, value, operator: name = "eq", connector } = condition;
  const operator = OPERATORS[name];
  if (operator === undefined || (!is_first && connector !== "AND"))
    throw new Error(`The account library uses a condition that the store does not have: ${connector} ${name}.`);
  const column = columnOf(field);
  const values = Array.isArray(value) ? value.map((one) => toValue(clock, column, one)) : toValue(clock, column, value);
  return { column, operator, value: values };
}

function toValue(clock: Clock, column: string, value: unknown): LibraryValue {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.getTime() + aheadMs(clock);
  if (typeof value === "number") return value;
  if (typeof value !== "string")
    throw new Error(`The account library gave the column ${column} a value of type ${typeof value}.`);
  return column === "token_hash" ? sha256Hex(value) : value;
}

/** Returns how far the database's clock is ahead of the system's. */
function aheadMs(clock: Clock): number {
  return clock.now() - systemClock.now();
}
