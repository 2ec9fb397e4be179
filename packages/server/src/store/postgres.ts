/**
 * PostgreSQL by pg: the engine for several nodes.
 *
 * Writes run SERIALIZABLE. Operations read a row, decide, then update it. Under READ COMMITTED two
 * nodes would both find no lease and both claim the refresh. Both would send the same single-use
 * refresh token, which ends the grant. Under SERIALIZABLE the database commits one and refuses the
 * other (40001). The refused one runs again from the start and finds the lease. A unique violation
 * is retried too, because two serializable inserts of one key end in it.
 *
 * Reads run outside a transaction. Each statement sees what was committed when it began. A caller
 * that acts on a read must write with an operation that checks again.
 *
 * Time is the database's, since the nodes' clocks differ and a lease must expire at one instant for
 * all of them.
 *
 * Errors: CodedError `database_unavailable` (also when it is unknown whether a commit happened:
 * read again), `database_busy`, `storage_full`. While opening also `configuration` and
 * `schema_too_new`.
 * Messages never contain the address.
 */
import { PostgresAdapter, PostgresQueryCompiler, type Kysely } from "kysely";
import pg from "pg";
import { CodedError } from "../core/errors.ts";
import type { Engine, Lease } from "./engine.ts";
import { createBinder, invalidatesNothing, type Invalidates, type Operation, type RunQuery } from "./operation.ts";
import {
  connectionOptions,
  databaseTime,
  execute,
  isUnavailable,
  rethrow,
  withRetry,
  type DatabaseTime,
  type PostgresOptions,
} from "./postgres-driver.ts";
import { migrate } from "./postgres-migrate.ts";
import { ANNOUNCE, FIND_LOCK, type Presence } from "./postgres-presence.ts";
import { openNodePresence } from "./postgres-session.ts";
import type { Tables } from "./tables.ts";

const BEGIN = "begin isolation level serializable";
/**
 * Serializes retried writes across all nodes. Many writes to one row would otherwise keep refusing
 * each other.
 *
 * A table lock is acquired before the transaction's snapshot, while the query of an advisory lock
 * already needs a snapshot. It ends with the transaction if its node is paused. Only migrations
 * write to this table.
 */
const LOCK_RETRIES = "lock table kysely_migration_lock in exclusive mode";
const UNIQUE_VIOLATION = "23505";
/**
 * Serialization failure, deadlock, unique violation: the operation can succeed when it runs again.
 */
const CONFLICTS = new Set(["40001", "40P01", UNIQUE_VIOLATION]);

interface State extends PostgresOptions {
  readonly pool: pg.Pool;
  readonly time: DatabaseTime;
  /** Null for a command. */
  readonly presence: Presence | null;
  readonly bind: (runQuery: RunQuery) => Kysely<Tables>;
  is_closed: boolean;
  /** The latest retried write of this node. It never rejects. */
  last_retry: Promise<unknown>;
}

export function openPostgres(options: PostgresOptions): Promise<Engine> {
  return withRetry(options, () => open(options));
}

async function open(options: PostgresOptions): Promise<Engine> {
  const { owner } = options;
  await migrate(options);
  const pool = createPool(options);
  const time = databaseTime(options.clock);
  const presence = owner === null ? null : await openNodePresence({ ...options, pool, time }, owner);
  const bind = createBinder(new PostgresAdapter(), new PostgresQueryCompiler());
  const state: State = { ...options, pool, time, presence, bind, is_closed: false, last_retry: Promise.resolve() };
  return {
    clock: time.clock,
    read: (operation) => runOutsideTransaction(state, operation),
    write: (operation) => write(state, operation),
    // Outside a transaction each statement commits by itself, and is READ COMMITTED.
    writeEach: (operation) => runOutsideTransaction(state, operation),
    onChange: (listener) => presence?.onChange(listener) ?? (() => {}),
    ownerIsDead: (lease, own) => ownerIsDead(state, lease, own),
    async close() {
      state.is_closed = true;
      await presence?.close();
      await pool.end();
    },
  };
}

function createPool({ database_url, limits, warn }: PostgresOptions): pg.Pool {
  const pool = new pg.Pool({ ...connectionOptions(database_url, limits), max: limits.database_connections });
  pool.on("error", warn);
  // A connection that breaks while in use rejects its query and emits an event. Without this
  // listener, the event would end the process.
  pool.on("connect", (client) => void client.on("error", () => {}));
  return pool;
}

/** Lends a connection of the pool to `action`. */
async function withPooled<T>(state: State, action: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  if (state.is_closed) throw new CodedError("database_unavailable", { message: "The server is shutting down." });
  const client = await state.pool.connect().catch(rethrow);
  let is_broken = false;
  try {
    return await action(client);
  } catch (error) {
    // The driver or the network failed, so the connection's state is unknown. It is not used again.
    is_broken = isUnavailable(error);
    throw error;
  } finally {
    client.release(is_broken);
  }
}

function runOutsideTransaction<T>(state: State, operation: Operation<T>): Promise<T> {
  return withPooled(state, (client) => runOperation(state, client, operation, invalidatesNothing));
}

async function write<T>(state: State, operation: Operation<T>): Promise<T> {
  for (let retries = 0; ; retries += 1) {
    try {
      return await (retries === 0 ? transact(state, operation) : transactAlone(state, operation));
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (retries < state.limits.database_retries) continue;
      // Still a unique violation, so this is a defect instead of a race: the operation inserts an
      // existing key.
      throw error.code === UNIQUE_VIOLATION ? error : new CodedError("database_busy", { cause: error });
    }
  }
}

/** Waits without a connection. Writes that wait for a lock would leave no connections to others. */
function transactAlone<T>(state: State, operation: Operation<T>): Promise<T> {
  const retried = state.last_retry.then(() => transact(state, operation, LOCK_RETRIES));
  state.last_retry = retried.catch(() => {});
  return retried;
}

function transact<T>(state: State, operation: Operation<T>, first?: string): Promise<T> {
  return withPooled(state, async (client) => {
    await execute(client, BEGIN);
    try {
      if (first !== undefined) await execute(client, first);
      const invalidated: string[] = [];
      const invalidates: Invalidates = (_table, ids) => void invalidated.push(...[ids].flat());
      const value: T = await runOperation(state, client, operation, invalidates);
      const is_announced = invalidated.length > 0;
      if (is_announced) await execute(client, ANNOUNCE, [state.owner ?? "command"]);
      await execute(client, "commit").catch((error: unknown) => {
        if (is_announced) state.presence?.markStale();
        return commitFailed(error);
      });
      return value;
    } catch (error) {
      // If unavailable, the pool closes the connection, which rolls back too.
      if (!isUnavailable(error)) await execute(client, "rollback");
      throw error;
    }
  });
}

async function runOperation<T>(
  { time, bind }: State,
  client: pg.PoolClient,
  operation: Operation<T>,
  invalidates: Invalidates,
): Promise<T> {
  const now = await time.sync(client);
  let is_open = true;
  const db = bind(async ({ sql, parameters }) => {
    // The connection can serve another caller by now.
    if (!is_open) throw new Error("A store operation queried after its transaction ended.");
    const { rows, changes } = await execute(client, sql, parameters);
    return { rows: [...rows], numAffectedRows: BigInt(changes) };
  });
  try {
    return await operation({ db, now, skip_locked: true, invalidates });
  } finally {
    is_open = false;
  }
}

async function ownerIsDead(state: State, { owner, taken_at }: Lease, own: string): Promise<boolean> {
  if (owner === own || state.presence?.isConclusiveSince(taken_at) === false) return false;
  return await withPooled(state, async (client) => (await execute(client, FIND_LOCK, [owner])).rows.length === 0);
}

function isConflict(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && CONFLICTS.has(error.code ?? "");
}

/**
 * Throws the error of a failed commit. A conflict means that nothing was committed. After any other
 * failure that is unknown.
 */
function commitFailed(error: unknown): never {
  if (isConflict(error)) throw error;
  throw new CodedError("database_unavailable", { cause: error });
}
