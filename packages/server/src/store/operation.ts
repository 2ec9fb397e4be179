/**
 * A store operation: an async function over a transaction that queries and computes. The same code
 * runs inside a group commit on SQLite and inside a transaction on PostgreSQL.
 *
 * An operation runs one query at a time and waits only for the database. It can run again from the
 * start after a serialization failure, so it has no other effects.
 */
import {
  DummyDriver,
  Kysely,
  type CompiledQuery,
  type DatabaseConnection,
  type DeleteResult,
  type DialectAdapter,
  type InsertResult,
  type QueryCompiler,
  type QueryResult,
  type UpdateResult,
} from "kysely";
import type { Instant } from "../core/types.ts";
import type { Tables } from "./tables.ts";

/** Tables whose rows caches hold, as they are or inside other values. */
export const CACHED_TABLES = [
  "apps",
  "connections",
  "connectors",
  "oauth_clients",
  "service_tokens",
  "api_keys",
  "functions",
  "app_secrets",
  "app_issuers",
  "app_users",
] as const satisfies readonly (keyof Tables)[];

export type CachedTable = (typeof CACHED_TABLES)[number];

/**
 * A connector's id is `app_id/integration_type`. A function's and a secret's is `app_id/name`.
 */
export type Invalidates = (table: CachedTable, ids: string | readonly string[]) => void;

/** What an operation can use. */
export interface Transaction {
  readonly db: Kysely<Tables>;
  /** The database's clock on PostgreSQL, the injected clock on SQLite. */
  readonly now: Instant;
  /** The database locks rows, and can skip rows that another transaction locked. */
  readonly skip_locked: boolean;
  /**
   * Declares rows that this operation changes, so that other nodes drop them from their caches
   * after the commit. Throws in a read and in `writeEach`, which announce nothing.
   */
  readonly invalidates: Invalidates;
}

export type Operation<T> = (tx: Transaction) => Promise<T>;

/** The `invalidates` of a read and of `writeEach`. */
export const invalidatesNothing: Invalidates = (table) => {
  throw new Error(`A store operation that is not a write declared a change of ${table}.`);
};

/** Runs one compiled query on the connection of one transaction. */
export type RunQuery = (query: CompiledQuery) => Promise<QueryResult<unknown>>;

/** Returns a function that creates a query builder whose queries all go to one connection. */
export function createBinder(adapter: DialectAdapter, compiler: QueryCompiler): (runQuery: RunQuery) => Kysely<Tables> {
  const dialect = {
    createAdapter: () => adapter,
    createDriver: () => new DummyDriver(),
    createIntrospector: () => {
      throw new Error("The store does not introspect its database.");
    },
    createQueryCompiler: () => compiler,
  };
  const config = { dialect };
  const driver = new DummyDriver();
  const unbound = new Kysely<Tables>(config).getExecutor();
  return (runQuery) => {
    const connection: DatabaseConnection = {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the query builder knows the type of its rows, as each driver of Kysely assumes.
      executeQuery: <Row>(query: CompiledQuery) => runQuery(query) as Promise<QueryResult<Row>>,
      streamQuery: () => {
        throw new Error("The store does not stream rows.");
      },
    };
    const executor = unbound.withConnectionProvider({ provideConnection: (use) => use(connection) });
    return new Kysely<Tables>({ config, dialect, driver, executor });
  };
}

/** Returns the rows of a query. */
export function all<Row>(query: { execute(): Promise<Row[]> }): Promise<Row[]> {
  return query.execute();
}

/** Returns the first row of a query, or null. */
export async function first<Row>(query: { execute(): Promise<Row[]> }): Promise<Row | null> {
  const rows = await query.execute();
  return rows[0] ?? null;
}

/** Returns the ids of rows. */
export const idsOf = <Id extends string>(rows: readonly { readonly id: Id }[]): Id[] => rows.map(({ id }) => id);

type Changes = InsertResult | UpdateResult | DeleteResult;

/** Runs a statement without RETURNING. Returns the number of rows that it changed. */
export async function run(statement: { execute(): Promise<Changes[]> }): Promise<number> {
  const [result] = await statement.execute();
  if (result === undefined) return 0;
  if ("numUpdatedRows" in result) return Number(result.numUpdatedRows);
  if ("numDeletedRows" in result) return Number(result.numDeletedRows);
  return Number(result.numInsertedOrUpdatedRows ?? 0);
}
