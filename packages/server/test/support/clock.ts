/**
 * A clock moved by hand, for code that takes a Clock and for the simulator.
 *
 * Only time is simulated. Sockets, files and the database are real and need turns of the event
 * loop. So after moving the clock, await the result (a reply, or `until(...)`), never a fixed time.
 */
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { delay, type Clock } from "../../src/core/clock.ts";
import { instant, type Instant } from "../../src/core/types.ts";

export const SECOND = 1_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;

export interface ManualClock extends Clock {
  /**
   * Advances time as on a machine that is awake. Timers fire in order, each at its own instant,
   * including new ones. The event loop gets a turn after each. For up to about a minute, because
   * periodic work runs at every step.
   */
  advance(ms: number): Promise<void>;
  /**
   * Advances time as on a machine that slept: it jumps, and every timer due by then fires once, in
   * order.
   */
  jump(ms: number): Promise<void>;
  /** Sets only the wall clock, as an operator does. No timer fires. */
  setWall(at: Instant): void;
}

interface Timer {
  readonly at: number;
  readonly action: () => void;
}

/** Creates a clock at rest. @param start initial wall clock, 2026-11-23T12:00:00Z by default */
export function manualClock(start: Instant = instant(Date.UTC(2026, 10, 23, 12))): ManualClock {
  let monotonic = 0;
  let wall_offset = start - 0;
  const timers = new Set<Timer>();

  const nextDue = (limit: number): Timer | undefined =>
    [...timers].filter((timer) => timer.at <= limit).toSorted((a, b) => a.at - b.at)[0];

  async function fire(timer: Timer): Promise<void> {
    timers.delete(timer);
    timer.action();
    await turn();
  }

  return {
    now: () => instant(monotonic + wall_offset),
    monotonic_ms: () => monotonic,
    after(delay_ms, action) {
      const timer = { at: monotonic + Math.max(0, delay_ms), action };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const target = monotonic + ms;
      for (let timer = nextDue(target); timer !== undefined; timer = nextDue(target)) {
        monotonic = Math.max(monotonic, timer.at);
        await fire(timer);
      }
      monotonic = target;
      await turn();
    },
    async jump(ms) {
      monotonic += ms;
      const due = [...timers].filter((timer) => timer.at <= monotonic).toSorted((a, b) => a.at - b.at);
      // A timer can cancel a later one.
      for (const timer of due) if (timers.has(timer)) await fire(timer);
      await turn();
    },
    setWall(at) {
      wall_offset = at - monotonic;
    },
  };
}

/**
 * Returns the simulator's `clock` and `wait` over a Clock, so that `slow` and `stall` follow that
 * clock.
 */
export function simulatorTime(clock: Clock) {
  return {
    clock: { now: () => clock.now() },
    wait: (delay_ms: number, signal: AbortSignal): Promise<void> =>
      Promise.race([
        delay(clock, delay_ms),
        new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          signal.addEventListener("abort", () => resolve(), { once: true });
        }),
      ]),
  };
}

const LIMIT_MS = 15_000;
/** Most results are there after a few turns. */
const BUSY_MS = 20;
const POLL_MS = 1;

/**
 * Calls `probe` every turn of the event loop, and after 20 ms every millisecond. Returns its first
 * result that is not false, null or undefined.
 *
 * Functions run only on processors that are idle. A test that keeps its processor busy while it
 * waits for one would wait forever.
 *
 * @throws Error that names `what`, after 15 real seconds
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
): Promise<Exclude<Awaited<T>, false | null | undefined>> {
  const start = performance.now();
  while (performance.now() < start + LIMIT_MS) {
    const found = await probe();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the condition excludes the three values.
    if (found !== false && found !== null && found !== undefined) return found as never;
    await (performance.now() < start + BUSY_MS ? turn() : sleep(POLL_MS));
  }
  throw new Error(`Timed out waiting until ${what}.`);
}
