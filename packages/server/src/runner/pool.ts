/**
 * Decides which processes run. At most one per app and function accepts work. Their number is
 * limited, per app and in total, and idle ones are ended. A call without a process waits in line.
 * Counts open invocations, and does not know their content.
 *
 * A *retired* process accepts no new work and ends with its last invocation, because its version is
 * outdated or an invocation timed out. It is not killed at once, since its other invocations may
 * succeed.
 */
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import type { FunctionProcess } from "./process.ts";
import type { ProcessOwner } from "./types.ts";
import type { Version } from "./versions.ts";

export interface Slot {
  readonly process: FunctionProcess;
  readonly version: Version;
}

export interface Wanted extends ProcessOwner {
  readonly version: Version;
  readonly start: () => FunctionProcess;
}

export interface Pool {
  /**
   * Returns a process of this app and function that runs this version, and opens an invocation.
   * Waits for one if all are busy.
   *
   * @throws CodedError `overloaded` if the line is full or the wait took too long
   */
  take(wanted: Wanted): Promise<Slot>;
  /** Closes an invocation. */
  release(slot: Slot): void;
  retire(slot: Slot): void;
  /** Returns the functions that have processes. */
  owners(): readonly ProcessOwner[];
  /** Ends the processes of a function, also those with open invocations. */
  end(owner: ProcessOwner): void;
  close(): Promise<void>;
}

interface Entry extends Slot, ProcessOwner {
  open: number;
  is_retired: boolean;
  cancelIdle: () => void;
}

interface Waiting {
  readonly wanted: Wanted;
  readonly promise: PromiseWithResolvers<Slot>;
}

interface PoolState {
  readonly clock: Clock;
  readonly limits: Limits;
  /**
   * Every process that has not exited, in order of last use. So the first idle one is the least
   * recently used.
   */
  readonly running: Set<Entry>;
  readonly line: Set<Waiting>;
}

export function createPool(options: { clock: Clock; limits: Limits }): Pool {
  const state: PoolState = { ...options, running: new Set(), line: new Set() };
  return {
    take: (wanted) => take(state, wanted),
    release: (slot) => release(state, slot),
    retire: (slot) => {
      const entry = entryOf(state, slot);
      if (entry !== undefined) retire(entry);
    },
    owners: () => [...state.running],
    end: ({ app_id, function_name }) => {
      for (const entry of state.running)
        if (entry.app_id === app_id && entry.function_name === function_name) end(entry);
    },
    close: async () => {
      for (const { promise } of state.line) promise.reject(busy());
      state.line.clear();
      for (const entry of state.running) end(entry);
      await Promise.all([...state.running].map(({ process }) => process.exited));
    },
  };
}

async function take(state: PoolState, wanted: Wanted): Promise<Slot> {
  const entry = place(state, wanted);
  if (entry !== null) return entry;
  const { line, clock, limits } = state;
  const own = [...line].filter(({ wanted: other }) => other.app_id === wanted.app_id);
  if (line.size >= limits.function_queue || own.length >= limits.function_queue_per_app) throw busy();
  const waiting: Waiting = { wanted, promise: Promise.withResolvers() };
  line.add(waiting);
  const cancel = clock.after(limits.function_queue_ms, () => {
    line.delete(waiting);
    waiting.promise.reject(busy());
  });
  return await waiting.promise.promise.finally(cancel);
}

function busy(): CodedError {
  const message = "All function processes of this server are busy. Try again shortly.";
  return new CodedError("overloaded", { message, retry_after_s: 1 });
}

/** Opens an invocation in a process that has room, or in a new one. Null if it must wait. */
function place(state: PoolState, wanted: Wanted): Entry | null {
  const { app_id, function_name, version } = wanted;
  const current = [...state.running].find(
    (entry) => entry.app_id === app_id && entry.function_name === function_name && !entry.is_retired,
  );
  const is_stale = current !== undefined && current.version.id !== version.id;
  if (is_stale) retire(current);
  const entry = current === undefined || is_stale ? add(state, wanted) : current;
  if (entry === null || entry.open >= state.limits.function_invocations) return null;
  entry.cancelIdle();
  entry.open += 1;
  entry.process.limitCpu(entry.open);
  state.running.delete(entry);
  state.running.add(entry);
  return entry;
}

/** Starts a process. If the limits leave no room, ends an idle one and returns null. */
function add(state: PoolState, { app_id, function_name, version, start }: Wanted): Entry | null {
  const { running, limits } = state;
  const own = [...running].filter((entry) => entry.app_id === app_id);
  const crowd = own.length >= limits.function_processes_per_app ? own : [...running];
  if (crowd !== own && running.size < limits.function_processes) {
    version.hold();
    const process = start();
    const entry: Entry = { app_id, function_name, version, process, open: 0, is_retired: false, cancelIdle: () => {} };
    running.add(entry);
    void removeOnExit(state, entry);
    return entry;
  }
  // Its exit frees the room and admits the next call in line.
  const idle = crowd.some(({ is_retired, open }) => is_retired && open === 0)
    ? undefined
    : crowd.find(({ open }) => open === 0);
  if (idle !== undefined) end(idle);
  return null;
}

async function removeOnExit(state: PoolState, entry: Entry): Promise<void> {
  await entry.process.exited;
  entry.is_retired = true;
  entry.cancelIdle();
  state.running.delete(entry);
  entry.version.release();
  callNext(state);
}

/** Serves those in line that have room now, in order. */
function callNext(state: PoolState): void {
  for (const waiting of state.line) {
    const entry = place(state, waiting.wanted);
    if (entry === null) continue;
    state.line.delete(waiting);
    waiting.promise.resolve(entry);
  }
}

function release(state: PoolState, slot: Slot): void {
  const entry = entryOf(state, slot);
  if (entry === undefined) return;
  entry.open -= 1;
  entry.process.limitCpu(entry.open);
  if (entry.open === 0 && entry.is_retired) end(entry);
  else if (entry.open === 0) entry.cancelIdle = state.clock.after(state.limits.function_idle_ms, () => end(entry));
  callNext(state);
}

function retire(entry: Entry): void {
  entry.is_retired = true;
  if (entry.open === 0) end(entry);
}

function end(entry: Entry): void {
  entry.is_retired = true;
  entry.cancelIdle();
  entry.process.kill();
}

function entryOf({ running }: PoolState, slot: Slot): Entry | undefined {
  return [...running].find((entry) => entry.process === slot.process);
}
