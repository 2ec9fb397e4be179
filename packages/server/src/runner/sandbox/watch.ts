/** Ends a job that uses more memory or CPU time than it is allowed. */
import { every, type Clock } from "../../core/clock.ts";
import type { KillReason } from "./types.ts";
import type { Usage } from "./usage.ts";

export interface Watch {
  /** Sets the job's total CPU time limit, computed from its use so far. */
  limitCpu(allow: (used_ms: number) => number): void;
  stop(): void;
}

interface WatchOptions {
  readonly usage: () => Usage;
  readonly memory_bytes: number;
  readonly poll_ms: number;
  readonly clock: Clock;
  readonly kill: (reason: KillReason) => void;
}

export function watchUsage({ usage, memory_bytes, poll_ms, clock, kill }: WatchOptions): Watch {
  // As of the last reading. Each call sets a limit, and a new reading would cost more than the rest
  // of the call.
  let used_cpu_ms = 0;
  let allowed_cpu_ms = Number.POSITIVE_INFINITY;
  const check = ({ resident_bytes, cpu_ms }: Usage): void => {
    used_cpu_ms = cpu_ms;
    if (resident_bytes > memory_bytes) kill("memory");
    else if (cpu_ms > allowed_cpu_ms) kill("cpu");
  };
  return {
    stop: every(clock, poll_ms, () => check(usage())),
    limitCpu: (allow) => void (allowed_cpu_ms = allow(used_cpu_ms)),
  };
}
