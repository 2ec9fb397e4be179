/** The places where the column types of the two databases differ. */
export interface ColumnTypes {
  /** 64-bit integer: instants and counters. */
  readonly int8: "integer" | "int8";
  readonly bytes: "blob" | "bytea";
  /** Returns statements that add a column which numbers rows in the order of their insertion. */
  readonly numbered: (table: string, column: string) => readonly string[];
}

export const SQLITE_TYPES: ColumnTypes = {
  int8: "integer",
  bytes: "blob",
  numbered: (table, column) => [
    `alter table ${table} add column ${column} integer`,
    `update ${table} set ${column} = rowid`,
    `create trigger ${table}_${column} after insert on ${table} begin
      update ${table} set ${column} = new.rowid where rowid = new.rowid;
    end`,
  ],
};

export const POSTGRES_TYPES: ColumnTypes = {
  int8: "int8",
  bytes: "bytea",
  numbered: (table, column) => [`alter table ${table} add column ${column} int8 generated always as identity`],
};
