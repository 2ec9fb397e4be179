/**
 * Time as a parameter. Everything that needs to know "now", or to wait, takes a Clock, so that tests move time by hand
 * and simulation is deterministic. Only this file reads the system's clocks or sets timers.
 */
import { instant, type Instant } from "./types.ts";

export interface Clock {
  /** Wall clock. May jump: use it for what is stored. */
  now(): Instant;
  /** Milliseconds that only grow, not related to the wall clock. For deadlines inside this process. */
  monotonic_ms(): number;
  /** Calls `action` once after `delay_ms`, unless the returned function is called first. Never keeps the process alive. */
  after(delay_ms: number, action: () => void): () => void;
}

/** setTimeout fires at once for delays above 2^31-1 ms; nothing here waits that long, so clamping is safe. */
const MAX_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => instant(Date.now()),
  monotonic_ms: () => performance.now(),
  after: (delay_ms, action) => {
    const timer = setTimeout(action, Math.min(Math.max(0, delay_ms), MAX_TIMER_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delay_ms` of the given clock. */
export function delay(clock: Clock, delay_ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delay_ms, resolve);
  });
}

/** Calls `action` every `interval_ms` of the given clock until the returned function is called. */
export function every(clock: Clock, interval_ms: number, action: () => void): () => void {
  let cancel = (): void => {};
  let stopped = false;
  const next = (): void => {
    cancel = clock.after(interval_ms, () => {
      action();
      if (!stopped) next();
    });
  };
  next();
  return () => {
    stopped = true;
    cancel();
  };
}

/** `promise`, or `fallback` when it takes longer than `limit_ms`. The promise goes on; only the waiting ends. */
export async function within<T, F>(clock: Clock, promise: Promise<T>, limit_ms: number, fallback: F): Promise<T | F> {
  let cancel = (): void => {};
  const late = new Promise<F>((resolve) => {
    cancel = clock.after(limit_ms, () => resolve(fallback));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}
