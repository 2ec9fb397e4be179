/**
 * Reads memory and CPU time of a job's processes from /proc. Linux only.
 *
 * No limit of the kernel counts the memory that a process really uses: RLIMIT_DATA counts what it
 * reserves, and a control group needs rights that a server often lacks. So the server reads it.
 */
import { readdirSync, readFileSync } from "node:fs";

export interface Usage {
  readonly resident_bytes: number;
  readonly cpu_ms: number;
}

/**
 * Linux reports sizes in pages and CPU time in ticks. Both are fixed on x86-64 and arm64 of Debian.
 */
const PAGE_BYTES = 4_096;
const TICK_MS = 10;
/** A job with more processes than this is reported as if it used all memory. */
const MAX_PROCESSES = 256;

/** Returns the sum over a process and its descendants. An exited process counts nothing. */
export function usageOf(root_pid: number): Usage {
  const pids = [root_pid];
  const sum = { resident_bytes: 0, cpu_ms: 0 };
  for (let index = 0; index < pids.length; index += 1) {
    const pid = pids[index]!;
    if (pids.length > MAX_PROCESSES) return { ...sum, resident_bytes: Number.POSITIVE_INFINITY };
    const stat = readProcess(pid, "stat");
    // The name in parentheses can contain anything. Fields are counted after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [user = 0, system = 0] = fields.slice(11, 13).map(Number);
    sum.cpu_ms += (user + system) * TICK_MS;
    sum.resident_bytes += Number(readProcess(pid, "statm").split(" ")[1] ?? 0) * PAGE_BYTES;
    pids.push(...childrenOf(pid));
  }
  return sum;
}

/** Each thread lists the children that it started. */
function childrenOf(pid: number): readonly number[] {
  const children = threadsOf(pid).map((thread) => readProcess(pid, `task/${thread}/children`));
  return children.join(" ").split(" ").filter(Boolean).map(Number);
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
