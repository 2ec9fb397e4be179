/** The processes of this machine, as an operator finds them in /proc. Linux only. */
import { readdirSync, readFileSync } from "node:fs";

/**
 * Returns the pids of all processes that a process started, and of those that these started. One
 * that exits meanwhile has none.
 */
export function descendantsOf(pid: number): readonly number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Returns the fields of a process's status, such as `Uid` and `CapEff`. */
export function statusOf(pid: number): Readonly<Record<string, string>> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2)));
}
