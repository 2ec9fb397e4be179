/**
 * PostgreSQL by pg: the engine for several nodes. The only file that knows the driver.
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
import { DummyDriver, Kysely, PostgresAdapter, PostgresDialect, PostgresQueryCompiler } from "kysely";
import { Migrator } from "kysely/migration";
import pg from "pg";
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { instant } from "../core/types.ts";
import type { Engine } from "./engine.ts";
import { migrations } from "./migrations/index.ts";
import { POSTGRES_TYPES } from "./migrations/types.ts";
import type { Operation, QueryOutcome, Transaction } from "./operation.ts";
import {
  ANNOUNCE,
  FIND_LOCK,
  openPresence,
  type Presence,
  type Session,
  type SessionEvents,
} from "./postgres-presence.ts";
import type { Tables } from "./tables.ts";

export interface PostgresOptions {
  readonly database_url: Secret;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Names this node while it runs, in leases and by a lock. Null for a command, which takes no leases and caches nothing. */
  readonly owner: string | null;
  /** Told of lost connections, which come back by themselves. */
  readonly warn: (error: unknown) => void;
}

const OLDEST_VERSION = 140_000;
const INT8 = 20;
const NOW = "select (extract(epoch from clock_timestamp()) * 1000)::int8 as now";
const BEGIN = "begin isolation level serializable";
/**
 * Retried writes go one after the other, on all nodes together: of many on one row they would go on losing to each other. A
 * table's lock, since it is taken before the transaction's snapshot (an advisory lock's own query takes one), and ends with
 * the transaction when its node is stopped. Of all tables this one is written only by migrations.
 */
const IN_TURN = "lock table kysely_migration_lock in exclusive mode";
/** Writes that other nodes' caches must hear of. When a token was last used is nothing to forget a token for. */
const CACHED =
  /^(?:insert into|update|delete from) "(?:apps|connections|connectors|oauth_clients|service_tokens|api_keys|sessions)"(?! set "last_used_at")/;
/** Serialization failure, deadlock, unique violation: the same operation may succeed when it runs again. */
const UNIQUE_VIOLATION = "23505";
const CONFLICTS = new Set(["40001", "40P01", UNIQUE_VIOLATION]);
/** Of a session: nodes that start together migrate one after the other. Any fixed number does. */
const MIGRATION_LOCK = 4_180_001;

/** int8 as numbers: instants and counters stay far below 2^53. Per connection, since the driver's table is global. */
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8 ? (text: string) => Number(text) : pg.types.getTypeParser(oid, format),
};

export async function openPostgres(options: PostgresOptions): Promise<Engine> {
  const { limits, owner, warn } = options;
  await migrate(options);
  const pool = createPool(options);
  pool.on("error", warn);
  // A connection that breaks while it is in use tells its query and says so here, where silence would end the process.
  pool.on("connect", (client) => void client.on("error", () => {}));
  const presence = owner === null ? null : await openPresenceOver(pool, owner, options);
  const db = compiler();
  let closed = false;
  let last_retry: Promise<unknown> = Promise.resolve();

  async function connect(): Promise<pg.PoolClient> {
    if (closed) throw new ApiError("database_unavailable", { message: "The server is shutting down." });
    return pool.connect().catch(rethrow);
  }

  async function read<T>(operation: (tx: Transaction) => Operation<T>): Promise<T> {
    const client = await connect();
    return releasing(client, async () => complete(client, operation, () => {}));
  }

  async function write<T>(operation: (tx: Transaction) => Operation<T>): Promise<T> {
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
  function inTurn<T>(operation: (tx: Transaction) => Operation<T>): Promise<T> {
    const retried = last_retry.then(() => transact(operation, IN_TURN));
    last_retry = retried.catch(() => {});
    return retried;
  }

  async function transact<T>(operation: (tx: Transaction) => Operation<T>, first?: string): Promise<T> {
    const client = await connect();
    return releasing(client, async () => {
      await execute(client, BEGIN);
      try {
        if (first !== undefined) await execute(client, first);
        let cached = false;
        const value = await complete(client, operation, (text) => (cached ||= CACHED.test(text)));
        if (cached) await execute(client, ANNOUNCE, [owner ?? "command"]);
        await execute(client, "commit").catch(commitFailed);
        return value;
      } catch (error) {
        // Then the connection is thrown away, which rolls back, too.
        if (!isUnavailable(error)) await execute(client, "rollback");
        throw error;
      }
    });
  }

  async function complete<T>(
    client: pg.PoolClient,
    operation: (tx: Transaction) => Operation<T>,
    ran: (text: string) => void,
  ): Promise<T> {
    const { rows } = await client.query<{ now: number }>(NOW).catch(rethrow);
    const steps = operation({ db, now: instant(rows[0]?.now ?? Number.NaN) });
    let step = steps.next();
    while (step.done !== true) {
      ran(step.value.sql);
      step = steps.next(await execute(client, step.value.sql, step.value.parameters));
    }
    return step.value;
  }

  return {
    read,
    write,
    onChange: (listener) => presence?.onChange(listener) ?? (() => {}),
    ownerIsDead: async (other, own) => {
      if (other === own) return false;
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

/** The master keys that the data was encrypted under, read without changing anything; null where there is no data. */
export async function postgresKeyIds(
  options: Pick<PostgresOptions, "database_url" | "limits">,
): Promise<readonly string[] | null> {
  return alone(options, async (client) => {
    const { rows } = await client.query<{ found: boolean }>("select to_regclass('data_keys') is not null as found");
    if (rows[0]?.found !== true) return null;
    const keys = await client.query<{ kek_id: string }>("select distinct kek_id from data_keys");
    return keys.rows.map((row) => row.kek_id);
  });
}

function createPool({ database_url, limits }: Pick<PostgresOptions, "database_url" | "limits">): pg.Pool {
  return new pg.Pool({ ...connectionOptions(database_url, limits), max: limits.database_connections });
}

function connectionOptions(database_url: Secret, limits: Limits): pg.ClientConfig {
  return {
    connectionString: database_url.expose(),
    application_name: "holdfast",
    connectionTimeoutMillis: limits.database_connect_timeout_ms,
    statement_timeout: limits.database_statement_timeout_ms,
    // The server's own limit comes first, unless the server is out of reach.
    query_timeout: limits.database_statement_timeout_ms + limits.database_connect_timeout_ms,
    idle_in_transaction_session_timeout: limits.database_idle_transaction_ms,
    keepAlive: true,
    keepAliveInitialDelayMillis: limits.database_idle_transaction_ms,
    types,
  };
}

function compiler(): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: () => {
        throw new Error("the compiling instance introspects nothing");
      },
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}

async function execute(
  client: pg.ClientBase,
  text: string,
  parameters: readonly unknown[] = [],
): Promise<QueryOutcome> {
  const { rows, rowCount } = await client.query<object>(text, [...parameters]).catch(rethrow);
  return { rows, changes: rowCount ?? 0 };
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

function openPresenceOver(pool: pg.Pool, owner: string, options: PostgresOptions): Promise<Presence> {
  const { clock, limits, warn, database_url } = options;
  const connect = async ({ notified, lost }: SessionEvents): Promise<Session> => {
    const client = new pg.Client(connectionOptions(database_url, limits));
    client.on("error", warn);
    client.on("end", lost);
    client.on("notification", ({ payload }) => notified(payload ?? ""));
    await client.connect();
    await refuseProxy(pool, client);
    return {
      query: (text, parameters) => execute(client, text, parameters),
      end: () => client.end(),
    };
  };
  return openPresence({ owner, clock, limits, warn, connect }).catch(async (error: unknown) => {
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

/** One connection outside the pool, for one action. */
async function alone<T>(
  { database_url, limits }: Pick<PostgresOptions, "database_url" | "limits">,
  action: (client: pg.Client) => Promise<T>,
): Promise<T> {
  // A migration may take its time, and so may waiting for another node's.
  const patient = { statement_timeout: 0, query_timeout: 0, idle_in_transaction_session_timeout: 0 };
  const client = new pg.Client({ ...connectionOptions(database_url, limits), ...patient });
  client.on("error", () => {});
  try {
    await client.connect();
    return await action(client);
  } catch (error) {
    throw translate(error);
  } finally {
    await client.end();
  }
}

async function migrate(options: PostgresOptions): Promise<void> {
  await alone(options, async (client) => {
    await checkServer(client);
    await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
    const known = migrations(POSTGRES_TYPES);
    const applied = await appliedMigrations(client);
    const foreign = applied.find((name) => !Object.hasOwn(known, name));
    if (foreign !== undefined) {
      throw new ApiError("schema_too_new", {
        message: `The database has the migration ${foreign}, which this version does not know. Run the newer Holdfast that wrote it.`,
      });
    }
    if (applied.length === Object.keys(known).length) return;
    const pool = new pg.Pool({
      ...connectionOptions(options.database_url, options.limits),
      statement_timeout: 0,
      max: 2,
    });
    const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
    const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(known) } });
    const { error } = await migrator.migrateToLatest();
    await db.destroy();
    if (error !== undefined) {
      throw new ApiError("database_unavailable", { message: "The database could not be migrated.", cause: error });
    }
  });
}

/** @throws ApiError `configuration` when what this server promises could not be kept there */
async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number; synchronous: string }>(
    "select current_setting('server_version_num')::int as version, current_setting('synchronous_commit') as synchronous",
  );
  const { version = 0, synchronous = "" } = rows[0] ?? {};
  if (version < OLDEST_VERSION) {
    throw new ApiError("configuration", { message: "Holdfast needs PostgreSQL 14 or newer. Update the database." });
  }
  // A rotated refresh token whose commit was acknowledged and then lost is a lost connection.
  if (synchronous === "off") {
    throw new ApiError("configuration", {
      message:
        "The database has synchronous_commit = off, so that a crash loses acknowledged writes. Switch it on for Holdfast's role: ALTER ROLE … SET synchronous_commit = on.",
    });
  }
}

async function appliedMigrations(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ found: boolean }>(
    "select to_regclass('kysely_migration') is not null as found",
  );
  if (rows[0]?.found !== true) return [];
  return (await client.query<{ name: string }>("select name from kysely_migration")).rows.map((row) => row.name);
}

function isConflict(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && CONFLICTS.has(error.code ?? "");
}

/** A conflict means that nothing happened; after any other failure of a commit nobody knows. */
function commitFailed(error: unknown): never {
  if (isConflict(error)) throw error;
  throw new ApiError("database_unavailable", { cause: error });
}

function isUnavailable(error: unknown): boolean {
  return error instanceof ApiError && error.code === "database_unavailable";
}

function rethrow(error: unknown): never {
  throw translate(error);
}

/** By SQLSTATE class, since the codes below a class are many: what the operator has to do is the same. */
const UNAVAILABLE = /^(?:08|28|3D|53|57P|58|XX|25006|25P03)/;

const NUL_REFUSED = "A value holds a character that cannot be stored (NUL, written %00 in an address). Remove it.";

/** Driver errors become ours. Conflicts stay as they are for the retry; an error in the SQL is a defect and does, too. */
function translate(error: unknown): unknown {
  if (error instanceof ApiError) return error;
  if (!(error instanceof pg.DatabaseError)) return new ApiError("database_unavailable", { cause: error });
  const code = error.code ?? "";
  if (code === "53100") return new ApiError("storage_full", { cause: error });
  // A NUL, which SQLite stores and no PostgreSQL text can hold: the sender's mistake, in whatever field it stands.
  if (code === "22021") return new ApiError("invalid_field", { message: NUL_REFUSED, cause: error });
  // Statement or lock timed out.
  if (code === "57014" || code === "55P03") return new ApiError("database_busy", { cause: error });
  if (UNAVAILABLE.test(code)) return new ApiError("database_unavailable", { cause: error });
  return error;
}
