/**
 * SQLite by better-sqlite3: the embedded engine. The only file that knows the driver.
 *
 * WAL with synchronous=FULL: a commit that was acknowledged survives a power cut, which for a rotated refresh token is the
 * difference between a connection and a lost one. Writes share fsyncs: operations queue up, and one turn of the event
 * loop commits all that are waiting, each in its own savepoint, so that one failing operation does not take its
 * neighbours along. Because operations are synchronous, no transaction is ever open across an await.
 */
import { closeSync, existsSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
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
import { LRUCache } from "lru-cache";
import type { Limits } from "../config.ts";
import { every, type Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import type { Engine } from "./engine.ts";
import { COMPATIBILITY_SETTING, migrations, mustMigrate, noteCompatibility } from "./migrations/index.ts";
import { SQLITE_TYPES } from "./migrations/types.ts";
import { createBinder, invalidatesNothing, type Invalidates, type Operation } from "./operation.ts";

export const DATABASE_FILE = "holdfast.db";
const LOCK_FILE = "serve.lock";

const WAITED = "A store operation waited for something other than the database.";

/** 2 KiB ciphertexts on 4 KiB pages waste almost half of each page. */
const PAGE_SIZE = 8192;

/** Runs inside its savepoint. Resolves to the function that settles the caller's promise after the commit. */
interface Pending {
  readonly run: () => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

export interface SqliteOptions {
  readonly data_dir: string;
  readonly clock: Clock;
  readonly limits: Limits;
}

export async function openSqlite({ data_dir, clock, limits }: SqliteOptions): Promise<Engine> {
  const path = join(data_dir, DATABASE_FILE);
  // SQLite would create the file readable by everyone; sealed or not, nobody else needs it.
  closeSync(openSync(path, "a", 0o600));
  const raw = new Database(path, { timeout: limits.busy_timeout_ms });
  raw.pragma(`page_size = ${PAGE_SIZE}`);
  raw.pragma("journal_mode = wal");
  raw.pragma("synchronous = full");
  // A deleted app's key and tokens would stay readable in free pages until these are used again.
  raw.pragma("secure_delete = on");
  await migrate(raw);

  const bind = createBinder(new SqliteAdapter(), new SqliteQueryCompiler());
  const statements = new LRUCache<string, Database.Statement>({ max: 500 });
  const control = {
    begin: raw.prepare("begin immediate"),
    commit: raw.prepare("commit"),
    rollback: raw.prepare("rollback"),
    savepoint: raw.prepare("savepoint item"),
    release: raw.prepare("release item"),
    undo: raw.prepare("rollback to item"),
  };
  let queue: Pending[] = [];
  let scheduled = false;
  let closed = false;
  let log_is_due = false;
  /** The group commit that is running. Reads wait for it, since they share its connection. */
  let committing: Promise<void> | null = null;

  function execute({ sql, parameters }: CompiledQuery): QueryResult<unknown> {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = raw.prepare(sql);
      statements.set(sql, statement);
    }
    if (statement.reader) return { rows: statement.all(...parameters) };
    return { rows: [], numAffectedRows: BigInt(statement.run(...parameters).changes) };
  }

  /**
   * Runs an operation within this turn of the event loop: each query is answered at once, so only microtasks pass. An
   * operation that waits for anything else is refused, and its later queries are, too: they would run inside the
   * transaction of another caller.
   */
  async function complete<T>(operation: Operation<T>, invalidates: Invalidates): Promise<T> {
    let is_open = true;
    const db = bind(async (query) => {
      if (!is_open) throw new Error(WAITED);
      return execute(query);
    });
    let end_of_turn: NodeJS.Immediate | undefined;
    const too_late = new Promise<never>((_, reject) => {
      end_of_turn = setImmediate(() => reject(new Error(WAITED)));
    });
    try {
      return await Promise.race([operation({ db, now: clock.now(), skip_locked: false, invalidates }), too_late]);
    } finally {
      is_open = false;
      clearImmediate(end_of_turn);
    }
  }

  async function flush(): Promise<void> {
    scheduled = false;
    const batch = queue.slice(0, limits.group_commit_items);
    queue = queue.slice(batch.length);
    committing = commit(batch);
    await committing;
    committing = null;
    if (queue.length > 0) schedule();
    emptyLog();
  }

  async function commit(batch: readonly Pending[]): Promise<void> {
    try {
      control.begin.run();
      const settled: (() => void)[] = [];
      for (const item of batch) settled.push(await item.run());
      control.commit.run();
      // Only now: a caller that was told of a write that then failed to commit would act on nothing.
      for (const settle of settled) settle();
    } catch (error) {
      if (raw.inTransaction) control.rollback.run();
      for (const item of batch) item.reject(translate(error));
    }
  }

  /**
   * The write-ahead log holds older copies of pages. It can be emptied while nobody reads from it; commands on the same file
   * do so for moments, and waiting for them here would hold up everybody. So it is tried again after the next commit.
   */
  function emptyLog(): void {
    if (!log_is_due) return;
    raw.pragma("busy_timeout = 0");
    try {
      const busy = raw.pragma("wal_checkpoint(truncate)", { simple: true });
      log_is_due = busy !== 0;
    } catch {
      // A disk that is full, or away: the commit before stands, and whatever writes next says what is wrong.
    } finally {
      raw.pragma(`busy_timeout = ${limits.busy_timeout_ms}`);
    }
  }

  /** Moves when another connection wrote, and not when this one did. */
  const dataVersion = (): number => Number(raw.pragma("data_version", { simple: true }));

  function schedule(): void {
    if (scheduled || committing !== null) return;
    scheduled = true;
    setImmediate(() => void flush());
  }

  /** Other processes notice every commit by the database's data version, so a declaration has no reader here. */
  const write = <T>(operation: Operation<T>): Promise<T> => enqueue(operation, () => {});
  const writeEach = <T>(operation: Operation<T>): Promise<T> => enqueue(operation, invalidatesNothing);

  function enqueue<T>(operation: Operation<T>, invalidates: Invalidates): Promise<T> {
    return new Promise((resolve, reject) => {
      if (closed) {
        reject(new ApiError("database_unavailable", { message: "The server is shutting down." }));
        return;
      }
      queue.push({
        reject,
        run: async () => {
          control.savepoint.run();
          try {
            const value = await complete(operation, invalidates);
            control.release.run();
            return () => resolve(value);
          } catch (error) {
            // A full disk ends the whole transaction by itself: there is no savepoint left to go back to.
            if (!raw.inTransaction) throw error;
            control.undo.run();
            control.release.run();
            return () => reject(translate(error));
          }
        },
      });
      schedule();
    });
  }

  async function commitEnded(): Promise<void> {
    for (let running = committing; running !== null; running = committing) await running;
  }

  async function read<T>(operation: Operation<T>): Promise<T> {
    await commitEnded();
    try {
      return await complete(operation, invalidatesNothing);
    } catch (error) {
      throw translate(error);
    }
  }

  return {
    clock,
    read,
    write,
    writeEach,
    onChange: (listener) => {
      let seen = dataVersion();
      return every(clock, limits.data_version_poll_ms, () => {
        const version = dataVersion();
        if (version === seen) return;
        seen = version;
        listener("written");
      });
    },
    // Only the holder of the data directory's lock asks, so whoever else took a lease is gone.
    ownerIsDead: ({ owner }, own) => Promise.resolve(owner !== own),
    purge: () => {
      log_is_due = true;
      if (!closed && committing === null) emptyLog();
      return Promise.resolve();
    },
    async close() {
      closed = true;
      await commitEnded();
      while (queue.length > 0) await flush();
      raw.close();
    },
  };
}

/** The master keys that the data was encrypted under, read without changing a byte; none when there is no data. */
export function storedKeyIds(data_dir: string): readonly string[] {
  const path = join(data_dir, DATABASE_FILE);
  if (!existsSync(path) || statSync(path).size === 0) return [];
  // Where no log lies beside the file, a reading connection would leave an empty one; a writing one takes its own away.
  const raw = new Database(path, { readonly: existsSync(`${path}-wal`), fileMustExist: true });
  try {
    return !hasTable(raw, "data_keys")
      ? []
      : raw.prepare<[], string>("select distinct kek_id from data_keys").pluck().all();
  } catch (error) {
    throw translate(error);
  } finally {
    raw.close();
  }
}

/**
 * The exclusive right to serve a data directory, held until the process ends, however it ends: the operating system drops
 * the lock of a killed process. Other commands open the database itself without it.
 *
 * @throws ApiError `database_in_use` (exit 75)
 */
export function lockDataDirectory(data_dir: string): () => void {
  const lock = new Database(join(data_dir, LOCK_FILE), { timeout: 0 });
  try {
    lock.exec("begin exclusive");
  } catch (error) {
    lock.close();
    throw new ApiError("database_in_use", {
      message: `Another holdfast server already serves ${data_dir}. Stop it first, or use another --data-dir.`,
      cause: error,
    });
  }
  return () => lock.close();
}

async function migrate(raw: Database.Database): Promise<void> {
  const known = migrations(SQLITE_TYPES);
  if (!mustMigrate(known, appliedMigrations(raw), compatibleWith(raw))) return;
  const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database: raw }) });
  const migrator = new Migrator({ db: kysely, provider: { getMigrations: () => Promise.resolve(known) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    throw new ApiError("database_unavailable", { message: "The database could not be migrated.", cause: error });
  }
  await noteCompatibility(kysely);
}

const hasTable = (raw: Database.Database, name: string): boolean =>
  raw.prepare("select 1 from sqlite_master where type = 'table' and name = ?").get(name) !== undefined;

function appliedMigrations(raw: Database.Database): readonly string[] {
  if (!hasTable(raw, "kysely_migration")) return [];
  return raw.prepare<[], string>("select name from kysely_migration").pluck().all();
}

function compatibleWith(raw: Database.Database): string | null {
  if (!hasTable(raw, "settings")) return null;
  const find = raw.prepare<[string], string>("select value from settings where name = ?").pluck();
  return find.get(COMPATIBILITY_SETTING) ?? null;
}

/** Driver errors become ours; anything else is a defect and passes through. */
function translate(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const { code } = error;
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED"))
    return new ApiError("database_busy", { cause: error });
  if (code.startsWith("SQLITE_FULL")) return new ApiError("storage_full", { cause: error });
  if (/^SQLITE_(IOERR|CANTOPEN|READONLY|CORRUPT|NOTADB)/.test(code))
    return new ApiError("database_unavailable", { cause: error });
  return error;
}
