/**
 * A lock between processes: the file `<base>.<turn>` with the highest turn. files/ owns the tools
 * for files that several processes share. It must not know the content of a file.
 *
 * A process that finds a stale lock creates the next turn, and only one process can do that. No
 * process takes a file from its holder, so two processes that find the same stale lock cannot both
 * acquire it.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { errnoOf } from "../core/errno.ts";

export type Lock =
  /** Acquired. Call `release` when done. */
  | { readonly kind: "held"; readonly release: () => void }
  /** Another process holds it, with the file `path`. */
  | { readonly kind: "busy"; readonly path: string };

/**
 * Reports whether the holder of the lock at `path` is dead. Can throw ENOENT: the lock was
 * released.
 */
export type IsStale = (path: string) => boolean;

/** Acquires the lock if no live process holds it. */
export function tryLock(base: string, isStale: IsStale): Lock {
  const pathOf = (turn: number): string => `${base}.${turn}`;
  for (let turn = 1; ;) {
    if (create(pathOf(turn))) {
      // Between the check of a stale lock and the creation of the next turn, another process can
      // have taken over, finished and removed both. Then the first turn may be another process's
      // lock.
      if (turn === 1 || stateOf(pathOf(turn - 1), isStale) === "stale") return held(pathOf, turn);
      rmSync(pathOf(turn), { force: true });
      turn = 1;
      continue;
    }
    const state = stateOf(pathOf(turn), isStale);
    if (state === "busy") return { kind: "busy", path: pathOf(turn) };
    turn = state === "stale" ? turn + 1 : 1;
  }
}

function held(pathOf: (turn: number) => string, turn: number): Lock {
  return {
    kind: "held",
    release: () => {
      // A later turn means that this process was taken for dead. The files now belong to that turn.
      if (existsSync(pathOf(turn + 1))) return;
      for (let past = 1; past <= turn; past += 1) rmSync(pathOf(past), { force: true });
    },
  };
}

function create(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}

function stateOf(path: string, isStale: IsStale): "busy" | "stale" | "absent" {
  try {
    return isStale(path) ? "stale" : "busy";
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "absent";
    throw error;
  }
}
