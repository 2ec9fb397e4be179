/**
 * PostgreSQL by pg: the engine for several nodes.
 *
 * Writes run SERIALIZABLE. Operations read a row, decide, then update it: under READ COMMITTED two nodes would both find no
 * lease, both claim the refresh and both send the same single-use refresh token, which kills the grant. Here the database
 * lets one of them commit and refuses the other (40001), which is run again from the start and finds the lease. A retry
 * also follows a unique violation, which is how two serializable inserts of one key meet.
 *
 * Reading operations run outside of a transaction: each of their statements sees what was committed when it began. Whoever
 * acts on what it read does so in a write that looks again.
 *
 * Time is the database's, since the nodes' clocks differ and a lease must end at one instant for all of them.
 *
 * Errors: ApiError `database_unavailable` (also when it is unknown whether a commit happened: read again), `database_busy`,
 * `storage_full`; when opening `configuration` and `schema_too_new`, too. Messages never hold the address.
 */
import { PostgresAdapter, PostgresQueryCompiler } from "kysely";
import pg from "pg";
import { ApiError } from "../core/errors.ts";
import type { Engine } from "./engine.ts";
import { createBinder, invalidatesNothing, type Invalidates, type Operation } from "./operation.ts";
import {
  connectionOptions,
  databaseTime,
  execute,
  isUnavailable,
  patiently,
  rethrow,
  translate,
  type DatabaseTime,
  type PostgresOptions,
} from "./postgres-driver.ts";
import { migrate } from "./postgres-migrate.ts";
import {
  ANNOUNCE,
  FIND_LOCK,
  openPresence,
  type Presence,
  type Session,
  type SessionEvents,
} from "./postgres-presence.ts";

const BEGIN = "begin isolation level serializable";
/**
 * Retried writes go one after the other, on all nodes together: of many on one row they would go on losing to each other. A
 * table's lock, since it is taken before the transaction's snapshot (an advisory lock's own query takes one), and ends with
 * the transaction when its node is stopped. Of all tables this one is written only by migrations.
 */
const IN_TURN = "lock table kysely_migration_lock in exclusive mode";
/** Serialization failure, deadlock, unique violation: the same operation may succeed when it runs again. */
const UNIQUE_VIOLATION = "23505";
const CONFLICTS = new Set(["40001", "40P01", UNIQUE_VIOLATION]);
export function openPostgres(options: PostgresOptions): Promise<Engine> {
  return patiently(options, () => open(options));
}

async function open(options: PostgresOptions): Promise<Engine> {
  const { limits, owner, warn } = options;
  await migrate(options);
  const pool = createPool(options);
  pool.on("error", warn);
  // A connection that breaks while it is in use tells its query and says so here, where silence would end the process.
  pool.on("connect", (client) => void client.on("error", () => {}));
  const time = databaseTime(options.clock);
  const presence = owner === null ? null : await openPresenceOver(pool, owner, options, time);
  const bind = createBinder(new PostgresAdapter(), new PostgresQueryCompiler());
  let closed = false;
  let last_retry: Promise<unknown> = Promise.resolve();

  async function connect(): Promise<pg.PoolClient> {
    if (closed) throw new ApiError("database_unavailable", { message: "The server is shutting down." });
    return pool.connect().catch(rethrow);
  }

  async function read<T>(operation: Operation<T>): Promise<T> {
    const client = await connect();
    return releasing(client, async () => complete(client, operation, invalidatesNothing));
  }

  async function write<T>(operation: Operation<T>): Promise<T> {
    for (let retries = 0; ; retries += 1) {
      try {
        return await (retries === 0 ? transact(operation) : inTurn(operation));
      } catch (error) {
        if (!isConflict(error)) throw error;
        if (retries < limits.database_retries) continue;
        // Still there: no race, but an operation that inserts what is there, which is a defect.
        throw error.code === UNIQUE_VIOLATION ? error : new ApiError("database_busy", { cause: error });
      }
    }
  }

  /** Waits without a connection: those who wait for a lock would leave none to the others. */
  function inTurn<T>(operation: Operation<T>): Promise<T> {
    const retried = last_retry.then(() => transact(operation, IN_TURN));
    last_retry = retried.catch(() => {});
    return retried;
  }

  async function transact<T>(operation: Operation<T>, first?: string): Promise<T> {
    const client = await connect();
    return releasing(client, async () => {
      await execute(client, BEGIN);
      try {
        if (first !== undefined) await execute(client, first);
        let cached = false;
        const value = await complete(client, operation, (_table, ids) => (cached ||= ids.length > 0));
        if (cached) await execute(client, ANNOUNCE, [owner ?? "command"]);
        await execute(client, "commit").catch((error: unknown) => {
          if (cached) presence?.doubt();
          return commitFailed(error);
        });
        return value;
      } catch (error) {
        // Then the connection is thrown away, which rolls back, too.
        if (!isUnavailable(error)) await execute(client, "rollback");
        throw error;
      }
    });
  }

  async function complete<T>(client: pg.PoolClient, operation: Operation<T>, invalidates: Invalidates): Promise<T> {
    const now = await time.ask(client);
    let is_open = true;
    const db = bind(async ({ sql, parameters }) => {
      // The connection may serve another caller by now.
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

  return {
    clock: time.clock,
    read,
    write,
    // Outside of a transaction each statement is one of its own, and READ COMMITTED.
    writeEach: read,
    onChange: (listener) => presence?.onChange(listener) ?? (() => {}),
    ownerIsDead: async ({ owner: other, taken_at }, own) => {
      if (other === own || presence?.knowsSince(taken_at) === false) return false;
      const client = await connect();
      return releasing(client, async () => (await execute(client, FIND_LOCK, [other])).rows.length === 0);
    },
    async close() {
      closed = true;
      await presence?.close();
      await pool.end();
    },
  };
}

function createPool({ database_url, limits }: Pick<PostgresOptions, "database_url" | "limits">): pg.Pool {
  return new pg.Pool({ ...connectionOptions(database_url, limits), max: limits.database_connections });
}

/** A connection whose state is not known, since the driver or the network failed, is not used again. */
async function releasing<T>(client: pg.PoolClient, action: () => Promise<T>): Promise<T> {
  let broken = false;
  try {
    return await action();
  } catch (error) {
    broken = isUnavailable(error);
    throw error;
  } finally {
    client.release(broken);
  }
}

function openPresenceOver(
  pool: pg.Pool,
  owner: string,
  options: PostgresOptions,
  time: DatabaseTime,
): Promise<Presence> {
  const { limits, warn, database_url } = options;
  const connect = async ({ notified, lost }: SessionEvents): Promise<Session> => {
    const client = new pg.Client(connectionOptions(database_url, limits));
    client.on("error", warn);
    client.on("end", lost);
    client.on("notification", ({ payload }) => notified(payload ?? ""));
    try {
      await client.connect();
      await refuseProxy(pool, client);
      await time.ask(client);
    } catch (error) {
      // Nobody else knows of it: it would keep the process, or one connection more at each beat.
      void client.end().catch(warn);
      throw error;
    }
    return {
      query: (text, parameters) => execute(client, text, parameters),
      beat: () => time.ask(client),
      end: () => client.end(),
    };
  };
  return openPresence({ owner, clock: time.clock, limits, warn, connect }).catch(async (error: unknown) => {
    await pool.end();
    throw translate(error);
  });
}

/**
 * A proxy that pools transactions gives each statement any connection: the lock that says that this node lives would stay
 * behind in somebody else's, and notifications would never come. While a transaction holds one connection, such a proxy
 * shows itself by giving the same one twice, or another one than before.
 *
 * @throws ApiError `configuration`
 */
async function refuseProxy(pool: pg.Pool, client: pg.Client): Promise<void> {
  const other = await pool.connect();
  try {
    const before = await backend(client);
    await other.query("begin");
    const [own, others] = [await backend(client), await backend(other)];
    await other.query("rollback");
    if (own === before && others !== own) return;
  } finally {
    other.release();
  }
  throw new ApiError("configuration", {
    message:
      "HOLDFAST_DATABASE_URL leads to a proxy that pools transactions. Holdfast needs connections of its own, for locks and notifications. Name the database itself, or set the proxy to pool sessions.",
  });
}

async function backend(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid ?? 0;
}

function isConflict(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && CONFLICTS.has(error.code ?? "");
}

/** A conflict means that nothing happened; after any other failure of a commit nobody knows. */
function commitFailed(error: unknown): never {
  if (isConflict(error)) throw error;
  throw new ApiError("database_unavailable", { cause: error });
}
