/**
 * Prepares a SQLite database for the store: runs its migrations, and reads the ids of its master
 * keys.
 *
 * Errors: CodedError `database_unavailable`, `database_busy`, `schema_too_new`.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { Migrator } from "kysely/migration";
import { CodedError } from "../core/errors.ts";
import { COMPATIBILITY_SETTING, migrations, mustMigrate, recordCompatibility } from "./migrations/index.ts";
import { SQLITE_TYPES } from "./migrations/types.ts";
import { DATABASE_FILE, translate } from "./sqlite-driver.ts";

/** Applies the migrations that the database lacks. */
export async function migrate(raw: Database.Database): Promise<void> {
  const known = migrations(SQLITE_TYPES);
  if (!mustMigrate(known, appliedMigrations(raw), compatibleWith(raw))) return;
  const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database: raw }) });
  const migrator = new Migrator({ db: kysely, provider: { getMigrations: () => Promise.resolve(known) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    throw new CodedError("database_unavailable", { message: "The database could not be migrated.", cause: error });
  }
  await recordCompatibility(kysely);
}

/**
 * Returns the ids of the master keys in use, without changing a byte. Empty if there is no data.
 */
export function storedKeyIds(data_dir: string): readonly string[] {
  const path = join(data_dir, DATABASE_FILE);
  if (!existsSync(path) || statSync(path).size === 0) return [];
  // Without a log beside the file, a reading connection would leave an empty one. A writing
  // connection removes its own.
  const raw = new Database(path, { readonly: existsSync(`${path}-wal`), fileMustExist: true });
  try {
    if (!hasTable(raw, "data_keys")) return [];
    return raw.prepare<[], string>("select distinct kek_id from data_keys").pluck().all();
  } catch (error) {
    throw translate(error);
  } finally {
    raw.close();
  }
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
