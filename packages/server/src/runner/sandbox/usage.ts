/**
 * Reads memory and CPU time of a job's processes from /proc. Linux only.
 *
 * No kernel limit counts the memory that a process actually uses: RLIMIT_DATA counts reserved
 * memory, and a control group needs rights that a server often lacks. So the server polls it.
 */
import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { SCRATCH } from "./bubblewrap.ts";

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
const MAX_PROCESSES = 32;
/**
 * The same for files in its scratch folder. Even an empty file takes a kilobyte of kernel memory.
 */
const MAX_FILES = 100_000;
const ALL: Usage = { resident_bytes: Number.POSITIVE_INFINITY, cpu_ms: 0 };

/**
 * Returns the sum over all processes of a sandbox, through the /proc of its first process. That
 * /proc shows no other processes, and the cost does not grow with their threads.
 */
export function usageInside(first_pid: number): Usage {
  const root = `/proc/${first_pid}/root`;
  const pids = numbersIn(`${root}/proc`);
  if (pids.length > MAX_PROCESSES || filesIn(root + SCRATCH) > MAX_FILES) return ALL;
  const all = pids.map((pid) => usageOf(`${root}/proc/${pid}`));
  return { resident_bytes: sum(all.map((one) => one.resident_bytes)), cpu_ms: sum(all.map((one) => one.cpu_ms)) };
}

/** Returns the usage of one process by its folder in /proc. An exited process uses nothing. */
export function usageOf(folder: string): Usage {
  const stat = read(`${folder}/stat`);
  // The name in parentheses can contain anything. Fields are counted after it. The last two are
  // the time of children that have exited.
  const ticks = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 15)
    .map(Number);
  const [, pages = 0] = read(`${folder}/statm`).split(" ").map(Number);
  return { resident_bytes: pages * PAGE_BYTES, cpu_ms: sum(ticks) * TICK_MS };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

function numbersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

function filesIn(folder: string): number {
  try {
    const { files, ffree } = statfsSync(folder);
    return files - ffree;
  } catch {
    return 0;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
