/**
 * The database that all nodes share: the store's real operations over a real SQLite in memory, behind the latencies and
 * failures of a database server on a network. Its clock is its own: operations get its time, whatever a node's clock says.
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
import { createBinder, type Operation } from "../../src/store/operation.ts";
import { CONNECTION } from "../../src/store/rows.ts";
import type { ConnectionRow, ConnectionsTable } from "../../src/store/tables.ts";

/** Tables that runs write to. */
const WRITTEN = ["connections", "outbox", "apps", "connectors"] as const;

export type Snapshot = readonly { readonly table: string; readonly rows: readonly unknown[][] }[];

/** One per thread, used for one run after the other. */
export interface SharedDatabase {
  /** Runs an operation in a transaction of its own; `keep` false takes it back, as after a serialization failure. */
  execute<T>(operation: Operation<T>, now: Instant, keep: boolean): Promise<T>;
  /** Whether the operation that ran last changed a row. */
  readonly changed: boolean;
  /** Whether it declared a row that caches hold. */
  readonly invalidated: boolean;
  connections(): ConnectionRow[];
  events(): { readonly connection_id: string; readonly payload: string }[];
  snapshot(): Snapshot;
  restore(snapshot: Snapshot): void;
  empty(): void;
}

export async function openSharedDatabase(): Promise<SharedDatabase> {
  const raw = new Database(":memory:");
  const migrating = new Kysely<unknown>({ dialect: new SqliteDialect({ database: raw }) });
  const known = migrations(SQLITE_TYPES);
  const migrated = await new Migrator({
    db: migrating,
    provider: { getMigrations: () => Promise.resolve(known) },
  }).migrateToLatest();
  if (migrated.error !== undefined) throw migrated.error;
  const statements = new Map<string, Database.Statement>();
  const control = { begin: raw.prepare("begin"), commit: raw.prepare("commit"), undo: raw.prepare("rollback") };
  const connections = raw.prepare<[], ConnectionsTable>("select * from connections");
  const events = raw.prepare<[], { connection_id: string; payload: string }>(
    "select connection_id, payload from outbox where kind = 'event'",
  );
  const copies = WRITTEN.map((table) => {
    const read = raw.prepare<[], unknown[]>(`select * from ${table}`).raw();
    const places = read.columns().map(() => "?");
    return {
      table,
      read,
      clear: raw.prepare(`delete from ${table}`),
      write: raw.prepare(`insert into ${table} values (${places.join(", ")})`),
    };
  });

  let changed = false;
  let invalidated = false;

  function query({ sql, parameters }: CompiledQuery): QueryResult<unknown> {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = raw.prepare(sql);
      statements.set(sql, statement);
    }
    if (!statement.reader) {
      const { changes } = statement.run(...parameters);
      changed ||= changes > 0;
      return { rows: [], numAffectedRows: BigInt(changes) };
    }
    const rows = statement.all(...parameters);
    changed ||= !statement.readonly && rows.length > 0;
    return { rows };
  }
  const db = createBinder(new SqliteAdapter(), new SqliteQueryCompiler())(async (compiled) => query(compiled));

  return {
    async execute(operation, now, keep) {
      changed = false;
      invalidated = false;
      control.begin.run();
      try {
        const value = await operation({
          db,
          now: instant(now),
          skip_locked: false,
          invalidates: (_table, ids) => (invalidated ||= ids.length > 0),
        });
        control[keep ? "commit" : "undo"].run();
        return value;
      } catch (error) {
        control.undo.run();
        throw error;
      }
    },
    get changed() {
      return changed;
    },
    get invalidated() {
      return invalidated;
    },
    connections: () => connections.all().map((row) => CONNECTION.decode(row)),
    events: () => events.all(),
    snapshot: () => copies.map(({ table, read }) => ({ table, rows: read.all() })),
    restore(snapshot) {
      for (const { table, clear, write } of copies) {
        clear.run();
        for (const row of snapshot.find((copy) => copy.table === table)?.rows ?? []) write.run(...row);
      }
    },
    empty() {
      for (const { clear } of copies) clear.run();
    },
  };
}
