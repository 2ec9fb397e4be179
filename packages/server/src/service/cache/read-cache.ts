/**
 * What was read from the database and serves again without it: bounded in count and time, and still there when the database
 * is not.
 *
 * An entry is fresh for a while. After that, and whenever another process wrote something, it is doubtful: it must be read
 * again. If the database cannot be reached then, it serves on for `outage_grace_s`, counted from when it was last read. That
 * is the one time when a change that was made elsewhere is not seen within a second. What changed in this process is
 * forgotten outright. Knows nothing of what it holds. Keeps time by the monotonic clock.
 */
import { LRUCache } from "lru-cache";
import type { Limits } from "../../config.ts";
import type { Clock } from "../../core/clock.ts";
import { isOutage, type DatabaseGate } from "./database-gate.ts";

export interface ReadCache<V> {
  /** Good without a look at the database; null: read. */
  fresh(key: string): V | null;
  /** What `load` brings; or during an outage what is remembered. Who asks for the same at the same time shares one load. */
  read(key: string, load: () => Promise<V>): Promise<Read<V>>;
  /** To be taken before a reading. */
  epoch(): Epoch;
  /** What was read before a change here is not remembered after it; before one elsewhere, as doubtful. */
  put(key: string, value: V, epoch: Epoch): void;
  forget(key: string): void;
  clear(): void;
  /** Somebody else changed something, or may have. */
  doubt(): void;
}

export interface Read<V> {
  readonly value: V;
  /** As it was before the database was away. */
  readonly is_stale: boolean;
}

/** How often something changed here, and may have changed elsewhere. */
export interface Epoch {
  readonly changes: number;
  readonly doubts: number;
}

interface Entry<V> {
  readonly value: V;
  readonly read_at: number;
  readonly doubts: number;
}

export interface ReadCacheOptions {
  readonly entries: number;
  readonly ttl_ms: number;
  readonly limits: Pick<Limits, "outage_grace_s">;
  readonly clock: Clock;
  readonly gate: DatabaseGate;
}

export function createReadCache<V extends object>(options: ReadCacheOptions): ReadCache<V> {
  const { ttl_ms, limits, clock, gate } = options;
  const entries = new LRUCache<string, Entry<V>>({ max: options.entries });
  const loads = new Map<string, { readonly epoch: Epoch; readonly result: Promise<Read<V>> }>();
  let changes = 0;
  let doubts = 0;

  function fresh(key: string): V | null {
    const entry = entries.get(key);
    if (entry === undefined || entry.doubts !== doubts) return null;
    return clock.monotonic_ms() < entry.read_at + ttl_ms ? entry.value : null;
  }

  /** A load that began before something changed is not good enough for those who come after it. */
  function read(key: string, load: () => Promise<V>): Promise<Read<V>> {
    const running = loads.get(key);
    if (running !== undefined && running.epoch.changes === changes && running.epoch.doubts === doubts)
      return running.result;
    const result = readOnce(key, load).finally(() => {
      if (loads.get(key)?.result === result) loads.delete(key);
    });
    loads.set(key, { epoch: epoch(), result });
    return result;
  }

  async function readOnce(key: string, load: () => Promise<V>): Promise<Read<V>> {
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

  const epoch = (): Epoch => ({ changes, doubts });

  return {
    fresh,
    read,
    epoch,
    put(key, value, { changes: seen, doubts: doubts_then }) {
      if (seen === changes) entries.set(key, { value, read_at: clock.monotonic_ms(), doubts: doubts_then });
    },
    forget(key) {
      changes += 1;
      entries.delete(key);
    },
    clear() {
      changes += 1;
      entries.clear();
    },
    doubt() {
      doubts += 1;
    },
  };
}
