/**
 * Which processes live: at most one that takes new work per app and function, at most so many in all, none longer idle
 * than allowed. Counts open invocations, and must not know what is in them.
 *
 * A *retired* process takes no new work and ends with its last invocation: its version is out of date, or one of its
 * invocations took too long. It is not killed at once, because its other invocations did nothing wrong.
 */
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import type { FunctionProcess } from "./process.ts";
import type { Version } from "./versions.ts";

export interface Slot {
  readonly process: FunctionProcess;
  readonly version: Version;
}

export interface Pool {
  /** A process for this key and version, with one more invocation open. @throws ApiError `overloaded`. */
  take(key: string, version: Version, start: () => FunctionProcess): Slot;
  /** One invocation is over. */
  release(slot: Slot): void;
  retire(slot: Slot): void;
  close(): Promise<void>;
}

interface Entry extends Slot {
  readonly key: string;
  open: number;
  retired: boolean;
  cancelIdle: () => void;
}

export function createPool({ clock, idle_ms, limit }: { clock: Clock; idle_ms: number; limit: number }): Pool {
  /** In order of last use: the first idle one is the least recently used. */
  const alive = new Set<Entry>();
  /** Killed ones too, until they are gone. */
  const running = new Set<FunctionProcess>();
  const entryOf = (slot: Slot): Entry | undefined => [...alive].find((entry) => entry.process === slot.process);

  const end = (entry: Entry): void => {
    entry.retired = true;
    entry.cancelIdle();
    alive.delete(entry);
    entry.process.kill();
  };

  const forgetAtExit = async (entry: Entry): Promise<void> => {
    await entry.process.exited;
    end(entry);
    running.delete(entry.process);
    entry.version.letGo();
  };

  const retireEntry = (entry: Entry): void => {
    entry.retired = true;
    if (entry.open === 0) end(entry);
  };

  const add = (key: string, version: Version, start: () => FunctionProcess): Entry => {
    if (alive.size >= limit) {
      const idle = [...alive].find(({ open }) => open === 0);
      if (idle === undefined) {
        const message = "All function processes of this server are busy. Try again shortly.";
        throw new ApiError("overloaded", { message, retry_after_s: 1 });
      }
      end(idle);
    }
    version.hold();
    const entry: Entry = { key, version, process: start(), open: 0, retired: false, cancelIdle: () => {} };
    running.add(entry.process);
    void forgetAtExit(entry);
    return entry;
  };

  return {
    take(key, version, start) {
      const current = [...alive].find((entry) => entry.key === key && !entry.retired);
      const stale = current !== undefined && current.version !== version;
      if (stale) retireEntry(current);
      const entry = current === undefined || stale ? add(key, version, start) : current;
      entry.cancelIdle();
      entry.open += 1;
      alive.delete(entry);
      alive.add(entry);
      return entry;
    },
    release(slot) {
      const entry = entryOf(slot);
      if (entry === undefined) return;
      entry.open -= 1;
      if (entry.open > 0) return;
      if (entry.retired) end(entry);
      else entry.cancelIdle = clock.after(idle_ms, () => end(entry));
    },
    retire(slot) {
      const entry = entryOf(slot);
      if (entry !== undefined) retireEntry(entry);
    },
    async close() {
      for (const entry of alive) end(entry);
      await Promise.all([...running].map(({ exited }) => exited));
    },
  };
}
