/**
 * Simulated time, and the lives of the processes in it. One thread, one queue of events: the next one runs when everything
 * that the one before set going has come to rest (its microtasks are drained), so a seed always gives the same run.
 *
 * A process that died never gets another event: none of its promises settles again, as if it had been killed at an `await`.
 * A paused one gets its events when it goes on, in order. Instants and durations are milliseconds of true time from 0.
 */
import type { FaultName } from "./faults.ts";
import type { Random } from "./random.ts";

export interface Life {
  /** The owner that it names in leases. */
  readonly owner: string;
  readonly node: number;
  dead: boolean;
  paused: boolean;
  held: (() => void)[];
  /** When a pause last began or ended, or the process died. */
  disturbed_at: number;
}

/**
 * A place where a process may die or stand still. `go` is what comes next: it runs now, or when the process goes on, or never.
 * `where` says what the process is about to do.
 */
export type Step = (life: Life, where: string, go: () => void) => void;

export interface World {
  readonly random: Random;
  readonly counts: Map<FaultName, number>;
  readonly violations: string[];
  readonly history: string[];
  checks: number;
  now(): number;
  /** Runs `action` in `delay_ms`, if `life` still lives then (null: whatever happens). Returns how to call it off. */
  at(life: Life | null, delay_ms: number, action: () => void): () => void;
  /** Until `done` says so, or `limit_ms` of true time is reached. */
  run(limit_ms: number, done: () => boolean): Promise<void>;
  pause(life: Life): void;
  resume(life: Life): void;
  kill(life: Life): void;
  /** A fault that really happened. */
  happened(name: FaultName, where: string): void;
  /** Tells of each fault. */
  onFault(listener: () => void): void;
  note(line: () => string): void;
  /** An invariant was looked at. */
  check(name: string, holds: boolean, detail: () => string): void;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly life: Life | null;
  action: (() => void) | null;
}

/** Events between two looks at what else the process has to do: a turn of the event loop costs more than most events. */
const BATCH = 32;

export function createWorld(random: Random, trace: boolean): World {
  const queue = createQueue();
  const counts = new Map<FaultName, number>();
  const violations: string[] = [];
  const history: string[] = [];
  const listeners: (() => void)[] = [];
  let time = 0;
  let order = 0;

  function note(line: () => string): void {
    if (trace) history.push(`${(time / 1000).toFixed(3).padStart(9)} ${line()}`);
  }

  function at(life: Life | null, delay_ms: number, action: () => void): () => void {
    const event: Event = { at: time + Math.max(0, delay_ms), order: (order += 1), life, action };
    queue.push(event);
    return () => (event.action = null);
  }

  function step(limit_ms: number): boolean {
    const event = queue.next(limit_ms);
    if (event === null) {
      time = limit_ms;
      return false;
    }
    time = event.at;
    const { action, life } = event;
    if (action === null || life?.dead === true) return true;
    if (life?.paused === true) life.held.push(() => event.action?.());
    else action();
    return true;
  }

  const run: World["run"] = (limit_ms, done) =>
    new Promise((resolve, reject) => {
      let over = false;
      const one = (): void => {
        if (over) return;
        try {
          over = done() || !step(limit_ms);
        } catch (error) {
          over = true;
          reject(error instanceof Error ? error : new Error("An event threw something else than an error."));
        }
        if (over) resolve();
      };
      const batch = (): void => {
        if (over) return;
        // Microtasks are drained after each immediate.
        for (let count = 0; count < BATCH; count += 1) setImmediate(one);
        setImmediate(batch);
      };
      batch();
    });

  return {
    random,
    counts,
    violations,
    history,
    checks: 0,
    now: () => time,
    at,
    run,
    pause(life) {
      life.paused = true;
      life.disturbed_at = time;
    },
    resume(life) {
      if (life.dead) return;
      life.paused = false;
      life.disturbed_at = time;
      const { held } = life;
      life.held = [];
      for (const action of held) at(life, 0, action);
    },
    kill(life) {
      life.dead = true;
      life.disturbed_at = time;
      life.held = [];
    },
    happened(name, where) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      note(() => `fault   ${name} (${where})`);
      for (const listener of listeners) listener();
    },
    onFault: (listener) => void listeners.push(listener),
    note,
    check(name, holds, detail) {
      this.checks += 1;
      if (holds) return;
      violations.push(`${name}: ${detail()}`);
      note(() => `BROKEN  ${name}: ${detail()}`);
    },
  };
}

/** A binary heap by time, then by order of arrival. */
function createQueue(): { push(event: Event): void; next(limit_ms: number): Event | null } {
  const heap: Event[] = [];
  const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
  const swap = (i: number, j: number): void => {
    const [a, b] = [heap[i], heap[j]];
    if (a === undefined || b === undefined) return;
    heap[i] = b;
    heap[j] = a;
  };
  const isBefore = (i: number, j: number): boolean => {
    const [a, b] = [heap[i], heap[j]];
    return a !== undefined && b !== undefined && before(a, b);
  };
  function sink(): void {
    for (let index = 0; ;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const child = isBefore(right, left) ? right : left;
      if (!isBefore(child, index)) return;
      swap(child, index);
      index = child;
    }
  }
  return {
    push(event) {
      let index = heap.push(event) - 1;
      for (let parent = (index - 1) >> 1; index > 0 && isBefore(index, parent); parent = (index - 1) >> 1) {
        swap(index, parent);
        index = parent;
      }
    },
    next(limit_ms) {
      const [first] = heap;
      if (first === undefined || first.at > limit_ms) return null;
      const last = heap.pop();
      if (last !== undefined && heap.length > 0) {
        heap[0] = last;
        sink();
      }
      return first;
    },
  };
}
