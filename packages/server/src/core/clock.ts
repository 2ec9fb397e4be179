/**
 * Time as a parameter. Code that needs the current time, or waits, takes a Clock. Tests then move
 * time by hand, and the simulation is deterministic. Only this file reads the system clock or sets
 * timers.
 */
import { instant, type Instant } from "./types.ts";

export interface Clock {
  /** Returns the wall-clock time, which can jump. For stored instants. */
  now(): Instant;
  /**
   * Returns milliseconds that never decrease, from an arbitrary start. For deadlines in this
   * process.
   */
  monotonic_ms(): number;
  /**
   * Calls `action` after `delay_ms`. The returned function cancels it. Never keeps the process
   * alive.
   */
  after(delay_ms: number, action: () => void): () => void;
}

/** setTimeout fires at once for longer delays. No wait here is that long, so clamping is safe. */
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

/** Resolves after `delay_ms` on the given clock. */
export function delay(clock: Clock, delay_ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delay_ms, resolve);
  });
}

/** Calls `action` every `interval_ms` on the given clock. The returned function stops it. */
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

/**
 * Returns the value of `promise`, or `fallback` after `limit_ms`. The promise itself keeps running.
 */
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
