/**
 * The database that all nodes share: the store's real operations over a real SQLite in memory. The
 * cluster adds the latency and the failures of a database server. Operations get the time of the
 * database's own clock.
 */
import Database from "better-sqlite3";
import {
  Kysely,
  SqliteAdapter,
  SqliteDialect,
  SqliteQueryCompiler,
  type CompiledQuery,
  type QueryResult,
} from "kysely";
import { Migrator } from "kysely/migration";
import { instant, type Instant } from "../../src/core/types.ts";
import { migrations } from "../../src/store/migrations/index.ts";
import { SQLITE_TYPES } from "../../src/store/migrations/types.ts";
import { createBinder, type Operation, type Transaction } from "../../src/store/operation.ts";
import { CONNECTION } from "../../src/store/rows.ts";
import type { ConnectionRow, ConnectionsTable } from "../../src/store/tables.ts";

/** Tables that runs write to. */
const WRITTEN = ["connections", "outbox", "apps", "connectors"] as const;

export type Snapshot = readonly { readonly table: string; readonly rows: readonly unknown[][] }[];

/** There is one per thread. Runs use it one after the other. */
export interface SharedDatabase {
  /**
   * Runs an operation in a transaction of its own. If `keep` is false, rolls it back, as after a
   * serialization failure.
   */
  execute<T>(operation: Operation<T>, now: Instant, keep: boolean): Promise<T>;
  /** Reports whether the last operation changed a row. */
  readonly changed: boolean;
  /** Reports whether the last operation declared a row that caches hold. */
  readonly invalidated: boolean;
  connections(): ConnectionRow[];
  events(): { readonly connection_id: string; readonly payload: string }[];
  snapshot(): Snapshot;
  restore(snapshot: Snapshot): void;
  empty(): void;
}

interface DatabaseState {
  readonly raw: Database.Database;
  readonly statements: Map<string, Database.Statement>;
  readonly control: Readonly<Record<"begin" | "commit" | "undo", Database.Statement>>;
  changed: boolean;
  invalidated: boolean;
}

export async function openSharedDatabase(): Promise<SharedDatabase> {
  const raw = await openMigrated();
  const control = { begin: raw.prepare("begin"), commit: raw.prepare("commit"), undo: raw.prepare("rollback") };
  const state: DatabaseState = { raw, statements: new Map(), control, changed: false, invalidated: false };
  const bind = createBinder(new SqliteAdapter(), new SqliteQueryCompiler());
  const db = bind(async (compiled) => query(state, compiled));
  const connections = raw.prepare<[], ConnectionsTable>("select * from connections");
  const events = raw.prepare<[], { connection_id: string; payload: string }>(
    "select connection_id, payload from outbox where kind = 'event'",
  );
  const copies = WRITTEN.map((table) => prepareCopy(raw, table));
  return {
    execute: (operation, now, keep) => execute(state, db, operation, now, keep),
    get changed() {
      return state.changed;
    },
    get invalidated() {
      return state.invalidated;
    },
    connections: () => connections.all().map((row) => CONNECTION.decode(row)),
    events: () => events.all(),
    snapshot: () => copies.map(({ table, read }) => ({ table, rows: read.all() })),
    restore: (snapshot) => restore(copies, snapshot),
    empty: () => restore(copies, []),
  };
}

async function openMigrated(): Promise<Database.Database> {
  const raw = new Database(":memory:");
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: raw }) });
  const known = migrations(SQLITE_TYPES);
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(known) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
  return raw;
}

async function execute<T>(
  state: DatabaseState,
  db: Transaction["db"],
  operation: Operation<T>,
  now: Instant,
  keep: boolean,
): Promise<T> {
  const { control } = state;
  state.changed = false;
  state.invalidated = false;
  control.begin.run();
  try {
    const value = await operation({
      db,
      now: instant(now),
      skip_locked: false,
      invalidates: (_table, ids) => (state.invalidated ||= ids.length > 0),
    });
    control[keep ? "commit" : "undo"].run();
    return value;
  } catch (error) {
    control.undo.run();
    throw error;
  }
}

function query(state: DatabaseState, { sql, parameters }: CompiledQuery): QueryResult<unknown> {
  const { raw, statements } = state;
  const statement = statements.get(sql) ?? raw.prepare(sql);
  statements.set(sql, statement);
  if (!statement.reader) {
    const { changes } = statement.run(...parameters);
    state.changed ||= changes > 0;
    return { rows: [], numAffectedRows: BigInt(changes) };
  }
  const rows = statement.all(...parameters);
  state.changed ||= !statement.readonly && rows.length > 0;
  return { rows };
}

type Copy = ReturnType<typeof prepareCopy>;

/** Prepares the statements that copy a table out and in. */
function prepareCopy(raw: Database.Database, table: (typeof WRITTEN)[number]) {
  const read = raw.prepare<[], unknown[]>(`select * from ${table}`).raw();
  const places = read.columns().map(() => "?");
  return {
    table,
    read,
    clear: raw.prepare(`delete from ${table}`),
    write: raw.prepare(`insert into ${table} values (${places.join(", ")})`),
  };
}

function restore(copies: readonly Copy[], snapshot: Snapshot): void {
  for (const { table, clear, write } of copies) {
    clear.run();
    for (const row of snapshot.find((copy) => copy.table === table)?.rows ?? []) write.run(...row);
  }
}
