/**
 * An operation is a generator that yields compiled queries and receives their rows. Written once, it runs synchronously
 * inside a group commit on SQLite and asynchronously inside a transaction on PostgreSQL. An operation must do nothing but
 * query and compute: it may be run again from the start after a serialization failure.
 */
import type { Compilable, CompiledQuery, Kysely } from "kysely";
import type { Instant } from "../core/types.ts";
import type { Tables } from "./tables.ts";

export interface QueryOutcome {
  readonly rows: readonly unknown[];
  readonly changes: number;
}

export type Operation<T> = Generator<CompiledQuery, T, QueryOutcome>;

/** What an operation may use. `now` is the database's clock on PostgreSQL and the injected clock on SQLite. */
export interface Transaction {
  readonly db: Kysely<Tables>;
  readonly now: Instant;
  /** The database locks rows, and can pass over those that others have locked. */
  readonly skip_locked: boolean;
}

/** The rows of a query, typed as the query builder knows them. */
export function* all<Row>(query: Compilable<Row>): Operation<Row[]> {
  const outcome = yield query.compile();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the builder's type is the row's type; checked by the store's suite on each engine.
  return outcome.rows as Row[];
}

export function* first<Row>(query: Compilable<Row>): Operation<Row | null> {
  const rows = yield* all(query);
  return rows[0] ?? null;
}

/** Runs a statement without RETURNING; the number of rows it changed. */
export function* run(query: Compilable): Operation<number> {
  const outcome = yield query.compile();
  return outcome.changes;
}
