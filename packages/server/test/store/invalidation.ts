/**
 * Compares what writes declare with what they change. SQLite triggers record each row of a cached
 * table that an operation writes. An operation that declared fewer rows fails and is rolled back.
 *
 * Also lists the functions of store/queries that write cached tables, and those that ran. A test
 * can then find a function that no other test runs.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { sql } from "kysely";
import type { Engine } from "../../src/store/engine.ts";
import { CACHED_TABLES, type CachedTable, type Operation, type Transaction } from "../../src/store/operation.ts";

const QUERIES = join(import.meta.dirname, "../../src/store/queries");
const isCached = (table: string): table is CachedTable => CACHED_TABLES.some((cached) => cached === table);

/** The functions that wrote a cached table under the check, as `file:function`. */
export const executed = new Set<string>();

/** No cache depends on this column. */
const NOT_CACHED = "last_used_at";

/**
 * Of these tables, caches depend on a change of these columns only. A new user is in no cache. One
 * whose issuer is deleted is not found anymore.
 */
const CACHED_COLUMNS: Readonly<Record<string, readonly string[]>> = { app_users: ["role"] };

/** Adds the triggers to a database. */
export function watchWrites(path: string): void {
  const raw = new Database(path);
  raw.exec("create table if not exists written (row text)");
  for (const table of CACHED_TABLES) {
    const columns = raw.prepare<[], string>(`select name from pragma_table_info('${table}')`).pluck().all();
    const only = CACHED_COLUMNS[table];
    const compared = (only ?? columns.filter((name) => name !== NOT_CACHED)).join(", ");
    const change = [`update of ${compared}`, "new"] as const;
    for (const [event, row] of only === undefined
      ? ([["insert", "new"], change, ["delete", "old"]] as const)
      : [change]) {
      const named = columns.includes("name") ? "name" : "integration_type";
      const id = columns.includes("id") ? `${row}.id` : `${row}.app_id || '/' || ${row}.${named}`;
      const record = `insert into written values ('${table} ' || ${id})`;
      raw.exec(
        `create trigger if not exists written_${table}_${event.slice(0, 6)} after ${event} on ${table} begin ${record}; end`,
      );
    }
  }
  raw.close();
}

/** Returns an engine that checks each write. Its database needs the triggers of `watchWrites`. */
export function checkedEngine(engine: Engine): Engine {
  return {
    ...engine,
    write: (operation) => engine.write((tx) => checked(tx, operation)),
    writeEach: (operation) =>
      engine.writeEach(async (tx) => {
        const value = await operation({ ...tx, db: watched(tx.db) });
        await writtenRows(tx);
        return value;
      }),
  };
}

async function checked<T>(tx: Transaction, operation: Operation<T>): Promise<T> {
  const declared = new Set<string>();
  const invalidates: Transaction["invalidates"] = (table, ids) => {
    for (const id of typeof ids === "string" ? [ids] : ids) declared.add(`${table} ${id}`);
    tx.invalidates(table, ids);
  };
  const value = await operation({ ...tx, db: watched(tx.db), invalidates });
  const missing = (await writtenRows(tx)).filter((row) => !declared.has(row));
  if (missing.length > 0) throw new Error(`A write did not declare what it changed: ${missing.join(", ")}.`);
  return value;
}

async function writtenRows({ db }: Transaction): Promise<readonly string[]> {
  const { rows } = await sql<{ row: string }>`delete from written returning row`.execute(db);
  return rows.map(({ row }) => row);
}

/** Records the function of store/queries that starts a write to a cached table. */
function watched<Db extends object>(db: Db): Db {
  return new Proxy(db, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]): unknown => {
        if (typeof parameters[0] === "string" && isCached(parameters[0]) && WRITES.has(String(name))) recordCaller();
        const result: unknown = value.apply(target, parameters);
        return name === "with" && typeof result === "object" && result !== null ? watched(result) : result;
      };
    },
  });
}

const WRITES = new Set(["insertInto", "updateTable", "deleteFrom"]);

function recordCaller(): void {
  const caller = /at (?:async )?(\w+) \(.*\/store\/queries\/([a-z/-]+)\.ts/.exec(
    new Error("for its stack").stack ?? "",
  );
  if (caller !== null) executed.add(`${caller[2]}.ts:${caller[1]}`);
}

/** Returns the functions of one file that write a cached table, as `file:function`. */
export function writersIn(file: string, text: string): readonly string[] {
  return text
    .split(/^(?=(?:export )?(?:async )?function )/m)
    .filter((part) =>
      [...part.matchAll(/\.(?:insertInto|updateTable|deleteFrom)\(\s*"([a-z_]+)"/g)].some(([, table = ""]) =>
        isCached(table),
      ),
    )
    .map((part) => `${file}:${/function (\w+)/.exec(part)?.[1] ?? "outside of any function"}`);
}

export function writers(): readonly string[] {
  const files = readdirSync(QUERIES, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return files.flatMap((file) => writersIn(file, readFileSync(join(QUERIES, file), "utf8")));
}
