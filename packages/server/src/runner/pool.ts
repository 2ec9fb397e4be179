/**
 * Decides which processes are alive. At most one per app and function accepts work, their total is
 * limited, and none is idle for too long. Counts open invocations, and does not know their content.
 *
 * A *retired* process accepts no new work and ends with its last invocation, because its version is
 * outdated or an invocation timed out. It is not killed at once, since its other invocations may
 * succeed.
 */
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import type { FunctionProcess } from "./process.ts";
import type { Version } from "./versions.ts";

export interface Slot {
  readonly process: FunctionProcess;
  readonly version: Version;
}

export interface Pool {
  /**
   * Returns a process for this key and version, and opens an invocation.
   *
   * @throws CodedError `overloaded`
   */
  take(key: string, version: Version, start: () => FunctionProcess): Slot;
  /** Closes an invocation. */
  release(slot: Slot): void;
  retire(slot: Slot): void;
  close(): Promise<void>;
}

interface Entry extends Slot {
  readonly key: string;
  open: number;
  is_retired: boolean;
  cancelIdle: () => void;
}

interface PoolState {
  readonly clock: Clock;
  readonly idle_ms: number;
  readonly limit: number;
  /** In order of last use, so the first idle one is the least recently used. */
  readonly alive: Set<Entry>;
  /** Including killed ones that have not exited yet. */
  readonly running: Set<FunctionProcess>;
}

export function createPool(options: { clock: Clock; idle_ms: number; limit: number }): Pool {
  const state: PoolState = { ...options, alive: new Set(), running: new Set() };
  return {
    take: (key, version, start) => take(state, key, version, start),
    release: (slot) => release(state, slot),
    retire: (slot) => {
      const entry = entryOf(state, slot);
      if (entry !== undefined) retire(state, entry);
    },
    close: async () => {
      for (const entry of state.alive) end(state, entry);
      await Promise.all([...state.running].map(({ exited }) => exited));
    },
  };
}

function take(state: PoolState, key: string, version: Version, start: () => FunctionProcess): Slot {
  const { alive } = state;
  const current = [...alive].find((entry) => entry.key === key && !entry.is_retired);
  const is_stale = current !== undefined && current.version.id !== version.id;
  if (is_stale) retire(state, current);
  const entry = current === undefined || is_stale ? add(state, key, version, start) : current;
  entry.cancelIdle();
  entry.open += 1;
  entry.process.limitCpu(entry.open);
  alive.delete(entry);
  alive.add(entry);
  return entry;
}

function add(state: PoolState, key: string, version: Version, start: () => FunctionProcess): Entry {
  const { alive, running, limit } = state;
  if (alive.size >= limit) {
    const idle = [...alive].find(({ open }) => open === 0);
    if (idle === undefined) {
      const message = "All function processes of this server are busy. Try again shortly.";
      throw new CodedError("overloaded", { message, retry_after_s: 1 });
    }
    end(state, idle);
  }
  version.hold();
  const entry: Entry = { key, version, process: start(), open: 0, is_retired: false, cancelIdle: () => {} };
  running.add(entry.process);
  void removeOnExit(state, entry);
  return entry;
}

async function removeOnExit(state: PoolState, entry: Entry): Promise<void> {
  await entry.process.exited;
  end(state, entry);
  state.running.delete(entry.process);
  entry.version.release();
}

function release(state: PoolState, slot: Slot): void {
  const entry = entryOf(state, slot);
  if (entry === undefined) return;
  entry.open -= 1;
  entry.process.limitCpu(entry.open);
  if (entry.open > 0) return;
  if (entry.is_retired) end(state, entry);
  else entry.cancelIdle = state.clock.after(state.idle_ms, () => end(state, entry));
}

function retire(state: PoolState, entry: Entry): void {
  entry.is_retired = true;
  if (entry.open === 0) end(state, entry);
}

function end(state: PoolState, entry: Entry): void {
  entry.is_retired = true;
  entry.cancelIdle();
  state.alive.delete(entry);
  entry.process.kill();
}

function entryOf({ alive }: PoolState, slot: Slot): Entry | undefined {
  return [...alive].find((entry) => entry.process === slot.process);
}
