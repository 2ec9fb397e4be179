/** The few places where the column types of the two databases differ. */
export interface ColumnTypes {
  /** 64-bit integer: instants and counters. */
  readonly int8: "integer" | "int8";
  readonly bytes: "blob" | "bytea";
}

export const SQLITE_TYPES: ColumnTypes = { int8: "integer", bytes: "blob" };
export const POSTGRES_TYPES: ColumnTypes = { int8: "int8", bytes: "bytea" };
