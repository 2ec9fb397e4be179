/**
 * The real store, with less work: a run repeats the same few queries thousands of times, and their
 * results are known as long as no commit happened. Every query still travels over the network and
 * can fail there.
 */
import type { Engine } from "../../src/store/engine.ts";
import type { Transaction } from "../../src/store/operation.ts";
import { endingConnections, findConnection, getConnection } from "../../src/store/queries/connections.ts";
import { leasesOfOthers, reserveDue } from "../../src/store/queries/refresh/due.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";

export interface QueryCache {
  /** Returns the result of `load` at this version of the database. */
  remember<T>(key: string, load: () => Promise<T>): Promise<T>;
  rows(): readonly ConnectionRow[];
}

interface CacheState {
  readonly version: () => number;
  readonly loadRows: () => readonly ConnectionRow[];
  cached_version: number;
  results: Map<string, unknown>;
  rows: readonly ConnectionRow[] | null;
}

export function createQueryCache(version: () => number, loadRows: () => readonly ConnectionRow[]): QueryCache {
  const cache: CacheState = { version, loadRows, cached_version: -1, results: new Map(), rows: null };
  return {
    remember: (key, load) => remember(cache, key, load),
    rows() {
      dropOutdated(cache);
      cache.rows ??= loadRows();
      return cache.rows;
    },
  };
}

async function remember<T>(cache: CacheState, key: string, load: () => Promise<T>): Promise<T> {
  dropOutdated(cache);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each key has one type of result.
  if (cache.results.has(key)) return cache.results.get(key) as T;
  const value = await load();
  cache.results.set(key, value);
  return value;
}

function dropOutdated(cache: CacheState): void {
  if (cache.cached_version === cache.version()) return;
  cache.cached_version = cache.version();
  cache.results = new Map();
  cache.rows = null;
}

export function createSimulatedStore(engine: Engine, queries: QueryCache): Store {
  return {
    ...createStore(engine),
    getConnection: (id) => engine.read((tx) => queries.remember(id, () => getConnection(tx, id))),
    findConnection: (app_id, type) =>
      engine.read((tx) => queries.remember(`${app_id}/${type}`, () => findConnection(tx, app_id, type))),
    reserveDue: (count, except, reserve_ms) =>
      engine.writeEach((tx) =>
        queries.rows().some((row) => canBeDue(row, tx)) ? reserveDue(tx, count, except, reserve_ms) : nothing(),
      ),
    leasesOfOthers: (...rest) =>
      engine.read((tx) =>
        queries.rows().some(({ lease_until }) => lease_until !== null) ? leasesOfOthers(tx, ...rest) : nothing(),
      ),
    endingConnections: (count) =>
      engine.read((tx) =>
        queries.rows().some(({ refresh_token_expires_at }) => refresh_token_expires_at !== null)
          ? endingConnections(tx, count)
          : nothing(),
      ),
  };
}

/** Longer than the waits after the first failures. */
const IMPLAUSIBLE_MS = 60_000;

/**
 * Reports whether the query for due rows could find this one. Times too far ahead are those of
 * another clock.
 */
function canBeDue(row: ConnectionRow, { now }: Transaction): boolean {
  const { intent_at, confirm_at, refresh_at, next_attempt_at, attempted_at, lease_until } = row;
  if (confirm_at !== null && confirm_at <= now) return true;
  if (intent_at === null && (refresh_at === null || refresh_at > now)) return false;
  if ((attempted_at ?? 0) > now) return true;
  return (
    hasPassed(lease_until, now) && (hasPassed(next_attempt_at, now) || (next_attempt_at ?? 0) > now + IMPLAUSIBLE_MS)
  );
}

const hasPassed = (at: number | null, now: number): boolean => at === null || at <= now;

async function nothing(): Promise<never[]> {
  return [];
}
