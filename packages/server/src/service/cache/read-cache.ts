/**
 * The cache room keeps what was read from the database, so that most token reads need no query and
 * an outage does not stop them. This file is the cache itself. It knows nothing of its values, of
 * tokens or of tables. Keeps time by the monotonic clock.
 *
 * An entry is fresh for `ttl_ms`, or until another process writes. It is stale then and must be
 * read again. If the database is unreachable, a stale entry is still served, for `outage_grace_s`
 * since it was last read. Only then can another node's change stay unseen for more than a second.
 * A change in this process drops the entry outright.
 */
import { LRUCache } from "lru-cache";
import type { Limits } from "../../core/limits.ts";
import type { Clock } from "../../core/clock.ts";
import { isOutage, type DatabaseGate } from "./database-gate.ts";

export interface ReadCache<V> {
  /** Returns a value that needs no read, or null. */
  fresh(key: string): V | null;
  /**
   * Returns the value that `load` reads or, during an outage, the stale one. Concurrent callers of
   * one key share one load.
   *
   * @throws what `load` throws, and CodedError `database_unavailable`
   */
  read(key: string, load: () => Promise<V>): Promise<Read<V>>;
  /** Returns the mark that `put` needs. Call it before the read. */
  epoch(): Epoch;
  /**
   * Stores a value, unless something changed in this process since `epoch`. If another process may
   * have changed something since, the value is stored as stale.
   */
  put(key: string, value: V, epoch: Epoch): void;
  drop(key: string): void;
  clear(): void;
  /** Makes all entries stale, because another process wrote or may have written. */
  markStale(): void;
}

export interface Read<V> {
  readonly value: V;
  /** The database is unreachable, and the value is from before. */
  readonly is_stale: boolean;
}

/** Counts the changes that could make a value outdated while it is read. */
export interface Epoch {
  readonly local_changes: number;
  readonly remote_changes: number;
}

interface Entry<V> {
  readonly value: V;
  readonly read_at: number;
  readonly remote_changes: number;
}

export interface ReadCacheOptions {
  readonly entries: number;
  readonly ttl_ms: number;
  readonly limits: Pick<Limits, "outage_grace_s">;
  readonly clock: Clock;
  readonly gate: DatabaseGate;
}

interface CacheState<V> extends Omit<ReadCacheOptions, "entries"> {
  readonly entries: LRUCache<string, Entry<V>>;
  readonly loads: Map<string, { readonly epoch: Epoch; readonly result: Promise<Read<V>> }>;
  epoch: Epoch;
}

export function createReadCache<V extends object>(options: ReadCacheOptions): ReadCache<V> {
  const { entries: max, ...rest } = options;
  const epoch = { local_changes: 0, remote_changes: 0 };
  const cache: CacheState<V> = { ...rest, entries: new LRUCache({ max }), loads: new Map(), epoch };
  return {
    fresh: (key) => fresh(cache, key),
    read: (key, load) => read(cache, key, load),
    epoch: () => cache.epoch,
    put: (key, value, since) => put(cache, key, value, since),
    drop: (key) => drop(cache, key),
    clear: () => clear(cache),
    markStale: () => markStale(cache),
  };
}

function fresh<V>({ entries, epoch, clock, ttl_ms }: CacheState<V>, key: string): V | null {
  const entry = entries.get(key);
  if (entry === undefined || entry.remote_changes !== epoch.remote_changes) return null;
  return clock.monotonic_ms() < entry.read_at + ttl_ms ? entry.value : null;
}

/** Shares a running load, unless something changed since it began: its value may be outdated. */
function read<V>(cache: CacheState<V>, key: string, load: () => Promise<V>): Promise<Read<V>> {
  const { loads, epoch } = cache;
  const running = loads.get(key);
  if (running?.epoch === epoch) return running.result;
  const result = readOnce(cache, key, load).finally(() => {
    if (loads.get(key)?.result === result) loads.delete(key);
  });
  loads.set(key, { epoch, result });
  return result;
}

async function readOnce<V>(cache: CacheState<V>, key: string, load: () => Promise<V>): Promise<Read<V>> {
  const { entries, gate, clock, limits } = cache;
  try {
    return { value: await gate.read(load), is_stale: false };
  } catch (error) {
    const entry = entries.get(key);
    if (!isOutage(error)) entries.delete(key);
    else if (entry !== undefined && clock.monotonic_ms() < entry.read_at + limits.outage_grace_s * 1_000)
      return { value: entry.value, is_stale: true };
    throw error;
  }
}

function put<V>({ entries, epoch, clock }: CacheState<V>, key: string, value: V, since: Epoch): void {
  if (since.local_changes !== epoch.local_changes) return;
  entries.set(key, { value, read_at: clock.monotonic_ms(), remote_changes: since.remote_changes });
}

function drop<V>(cache: CacheState<V>, key: string): void {
  cache.epoch = { ...cache.epoch, local_changes: cache.epoch.local_changes + 1 };
  cache.entries.delete(key);
}

function clear<V>(cache: CacheState<V>): void {
  cache.epoch = { ...cache.epoch, local_changes: cache.epoch.local_changes + 1 };
  cache.entries.clear();
}

function markStale<V>(cache: CacheState<V>): void {
  cache.epoch = { ...cache.epoch, remote_changes: cache.epoch.remote_changes + 1 };
}
