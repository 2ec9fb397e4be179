/**
 * Prepares a PostgreSQL database for the store: checks its version and settings, runs its
 * migrations, and reads the ids of its master keys.
 *
 * Each step uses its own connection. Nodes that start at the same time migrate one after the other.
 *
 * Errors: CodedError `configuration`, `schema_too_new`, `database_unavailable`.
 */
import { Kysely, PostgresDialect } from "kysely";
import { Migrator } from "kysely/migration";
import pg from "pg";
import { CodedError } from "../core/errors.ts";
import { COMPATIBILITY_SETTING, migrations, mustMigrate, recordCompatibility } from "./migrations/index.ts";
import { POSTGRES_TYPES } from "./migrations/types.ts";
import { connectionOptions, withClient, withRetry, type PostgresOptions } from "./postgres-driver.ts";

const OLDEST_VERSION = 140_000;
/** An arbitrary number, the same in every version. */
const MIGRATION_LOCK = 4_180_001;

export async function migrate(options: PostgresOptions): Promise<void> {
  await withClient(options, async (client) => {
    await checkServer(client);
    // A transaction's lock. Behind a proxy that pools transactions, a session's lock would stay
    // with a connection of the proxy. The transaction reads no table, because its lock on that
    // table would block the migration.
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    await migrateLocked(options);
  });
}

async function migrateLocked(options: PostgresOptions): Promise<void> {
  const known = migrations(POSTGRES_TYPES);
  const is_behind = await withClient(options, async (client) =>
    mustMigrate(known, await appliedMigrations(client), await compatibleWith(client)),
  );
  if (!is_behind) return;
  const pool = new pg.Pool({
    ...connectionOptions(options.database_url, options.limits),
    statement_timeout: 0,
    max: 2,
  });
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(known) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) await recordCompatibility(db);
  await db.destroy();
  if (error !== undefined) {
    throw new CodedError("database_unavailable", { message: "The database could not be migrated.", cause: error });
  }
}

/**
 * Checks version and settings of the server.
 *
 * @throws CodedError `configuration` if it is too old, or can lose acknowledged writes
 */
async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number; synchronous: string }>(
    "select current_setting('server_version_num')::int as version, current_setting('synchronous_commit') as synchronous",
  );
  const { version = 0, synchronous = "" } = rows[0] ?? {};
  if (version < OLDEST_VERSION) {
    throw new CodedError("configuration", {
      message: "Holdfast requires PostgreSQL 14 or newer. Update the database.",
    });
  }
  // Losing an acknowledged commit of a rotated refresh token loses the connection.
  if (synchronous === "off") {
    throw new CodedError("configuration", {
      message:
        "The database has synchronous_commit = off, so a crash loses acknowledged writes. Turn it on for Holdfast's role: ALTER ROLE … SET synchronous_commit = on.",
    });
  }
}

async function hasTable(client: pg.Client, name: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>("select to_regclass($1) is not null as found", [name]);
  return rows[0]?.found === true;
}

async function appliedMigrations(client: pg.Client): Promise<readonly string[]> {
  if (!(await hasTable(client, "kysely_migration"))) return [];
  return (await client.query<{ name: string }>("select name from kysely_migration")).rows.map((row) => row.name);
}

async function compatibleWith(client: pg.Client): Promise<string | null> {
  if (!(await hasTable(client, "settings"))) return null;
  const { rows } = await client.query<{ value: string }>("select value from settings where name = $1", [
    COMPATIBILITY_SETTING,
  ]);
  return rows[0]?.value ?? null;
}

/**
 * Returns the ids of the master keys in use, without changing anything. Null if there is no data.
 */
export async function postgresKeyIds(
  options: Pick<PostgresOptions, "clock" | "database_url" | "limits">,
): Promise<readonly string[] | null> {
  const read = async (client: pg.Client): Promise<readonly string[] | null> => {
    if (!(await hasTable(client, "data_keys"))) return null;
    const keys = await client.query<{ kek_id: string }>("select distinct kek_id from data_keys");
    return keys.rows.map((row) => row.kek_id);
  };
  return await withRetry(options, () => withClient(options, read));
}
