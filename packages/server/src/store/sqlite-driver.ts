/**
 * The connection to a SQLite file by better-sqlite3: its settings, its prepared statements, the
 * operation that runs on it, and the meaning of its errors.
 *
 * Errors: CodedError `database_busy`, `storage_full`, `database_unavailable`. Errors in the SQL
 * stay the driver's.
 */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { SqliteAdapter, SqliteQueryCompiler, type CompiledQuery, type Kysely, type QueryResult } from "kysely";
import { LRUCache } from "lru-cache";
import type { Limits } from "../core/limits.ts";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import { createBinder, type Invalidates, type Operation, type RunQuery } from "./operation.ts";
import type { Tables } from "./tables.ts";

export const DATABASE_FILE = "holdfast.db";

const WAITED = "A store operation waited for something other than the database.";

/** 2 KiB ciphertexts on 4 KiB pages waste almost half of each page. */
const PAGE_SIZE = 8192;
const PREPARED_STATEMENTS = 500;

export interface SqliteOptions {
  readonly data_dir: string;
  readonly clock: Clock;
  readonly limits: Limits;
}

export interface Connection {
  readonly raw: Database.Database;
  readonly clock: Clock;
  readonly bind: (runQuery: RunQuery) => Kysely<Tables>;
  readonly statements: LRUCache<string, Database.Statement>;
  readonly control: Readonly<Record<"begin" | "commit" | "rollback" | "savepoint" | "release" | "undo", Control>>;
}

type Control = Pick<Database.Statement, "run">;

/** Opens the database of a data directory, and creates it if there is none. */
export function openConnection({ data_dir, clock, limits }: SqliteOptions): Connection {
  const path = join(data_dir, DATABASE_FILE);
  // SQLite would create a file that every user of the machine can read.
  closeSync(openSync(path, "a", 0o600));
  const raw = new Database(path, { timeout: limits.busy_timeout_ms });
  raw.pragma(`page_size = ${PAGE_SIZE}`);
  raw.pragma("journal_mode = wal");
  raw.pragma("synchronous = full");
  // A deleted app's key and tokens would stay readable in free pages until SQLite reuses them.
  raw.pragma("secure_delete = on");
  return {
    raw,
    clock,
    bind: createBinder(new SqliteAdapter(), new SqliteQueryCompiler()),
    statements: new LRUCache({ max: PREPARED_STATEMENTS }),
    control: {
      begin: raw.prepare("begin immediate"),
      commit: raw.prepare("commit"),
      rollback: raw.prepare("rollback"),
      savepoint: raw.prepare("savepoint item"),
      release: raw.prepare("release item"),
      undo: raw.prepare("rollback to item"),
    },
  };
}

/**
 * Runs an operation within this turn of the event loop. Each query is answered at once, so only
 * microtasks pass.
 *
 * Refuses an operation that waits for anything else than the database. Refuses its later queries
 * too, because they would run inside the transaction of another caller.
 */
export async function runOperation<T>(
  connection: Connection,
  operation: Operation<T>,
  invalidates: Invalidates,
): Promise<T> {
  let is_open = true;
  const db = connection.bind(async (query) => {
    if (!is_open) throw new Error(WAITED);
    return execute(connection, query);
  });
  let end_of_turn: NodeJS.Immediate | undefined;
  const too_late = new Promise<never>((_, reject) => {
    end_of_turn = setImmediate(() => reject(new Error(WAITED)));
  });
  const tx = { db, now: connection.clock.now(), skip_locked: false, invalidates };
  try {
    return await Promise.race([operation(tx), too_late]);
  } finally {
    is_open = false;
    clearImmediate(end_of_turn);
  }
}

function execute({ raw, statements }: Connection, { sql, parameters }: CompiledQuery): QueryResult<unknown> {
  let statement = statements.get(sql);
  if (statement === undefined) {
    statement = raw.prepare(sql);
    statements.set(sql, statement);
  }
  if (statement.reader) return { rows: statement.all(...parameters) };
  return { rows: [], numAffectedRows: BigInt(statement.run(...parameters).changes) };
}

/**
 * Empties the write-ahead log, which holds older copies of pages. Reports whether it is empty.
 *
 * It does not wait for a reader, since that would block every request. The caller repeats it after
 * the next commit.
 */
export function emptyLog({ raw }: Connection, busy_timeout_ms: number): boolean {
  raw.pragma("busy_timeout = 0");
  try {
    return raw.pragma("wal_checkpoint(truncate)", { simple: true }) === 0;
  } catch {
    // The disk is full or unreachable. The last commit is durable, and the next write reports the
    // failure.
    return false;
  } finally {
    raw.pragma(`busy_timeout = ${busy_timeout_ms}`);
  }
}

/** Returns a number that changes when another connection writes, and only then. */
export const dataVersion = ({ raw }: Connection): number => Number(raw.pragma("data_version", { simple: true }));

/**
 * Returns the CodedError for a driver error. Any other error is a defect and is returned as it is.
 */
export function translate(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const { code } = error;
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED"))
    return new CodedError("database_busy", { cause: error });
  if (code.startsWith("SQLITE_FULL")) return new CodedError("storage_full", { cause: error });
  if (/^SQLITE_(IOERR|CANTOPEN|READONLY|CORRUPT|NOTADB)/.test(code))
    return new CodedError("database_unavailable", { cause: error });
  return error;
}
