/**
 * Simulated time, and the processes that live in it. One thread, one queue of events. The next
 * event runs when all microtasks of the previous one have ended, so a seed always gives the same
 * run.
 *
 * A dead process gets no more events: none of its promises settles again, as if it had been killed
 * at an `await`. A paused one gets its events when it resumes, in order. Instants and durations are
 * milliseconds of true time, from 0.
 */
import { createQueue, type Event, type EventQueue } from "./event-queue.ts";
import type { FaultName } from "./faults.ts";
import type { Random } from "./random.ts";

/** One process, from its start to its death. */
export interface Life {
  /** The owner that it names in leases. */
  readonly owner: string;
  readonly node: number;
  dead: boolean;
  paused: boolean;
  /** Events that wait for the process to resume. */
  held: (() => void)[];
  /** When a pause last began or ended, or the process died. */
  disturbed_at: number;
}

/**
 * A place where a process can die or pause. `proceed` is what it does next. It runs now, when the
 * process resumes, or never. `where` describes what the process is about to do.
 */
export type Step = (life: Life, where: string, proceed: () => void) => void;

export interface World {
  readonly random: Random;
  readonly counts: Map<FaultName, number>;
  readonly violations: string[];
  readonly history: string[];
  checks: number;
  now(): number;
  /**
   * Runs `action` in `delay_ms`, if `life` is still alive then. Null means in any case. Returns a
   * function that cancels it.
   */
  at(life: Life | null, delay_ms: number, action: () => void): () => void;
  /** Runs events until `done` returns true, or until `limit_ms` of true time. */
  run(limit_ms: number, done: () => boolean): Promise<void>;
  pause(life: Life): void;
  resume(life: Life): void;
  kill(life: Life): void;
  /** Counts a fault that really happened. */
  happened(name: FaultName, where: string): void;
  /** Calls the listener at each fault. */
  onFault(listener: () => void): void;
  /** Adds a line to the history, if the run is traced. */
  trace(line: () => string): void;
  /** Checks an invariant. */
  check(name: string, holds: boolean, detail: () => string): void;
}

/** Events per turn of the event loop, which costs more than most events. */
const BATCH = 32;

interface WorldState extends Pick<World, "counts" | "violations" | "history"> {
  readonly queue: EventQueue;
  readonly listeners: (() => void)[];
  readonly is_traced: boolean;
  time: number;
  order: number;
}

export function createWorld(random: Random, is_traced: boolean): World {
  const state: WorldState = {
    queue: createQueue(),
    counts: new Map(),
    violations: [],
    history: [],
    listeners: [],
    is_traced,
    time: 0,
    order: 0,
  };
  const { counts, violations, history, listeners } = state;
  return {
    random,
    counts,
    violations,
    history,
    checks: 0,
    now: () => state.time,
    at: (life, delay_ms, action) => at(state, life, delay_ms, action),
    run: (limit_ms, done) => run(state, limit_ms, done),
    pause: (life) => pause(state, life),
    resume: (life) => resume(state, life),
    kill: (life) => kill(state, life),
    happened: (name, where) => happened(state, name, where),
    onFault: (listener) => void listeners.push(listener),
    trace: (line) => trace(state, line),
    check(name, holds, detail) {
      this.checks += 1;
      if (holds) return;
      violations.push(`${name}: ${detail()}`);
      trace(state, () => `BROKEN  ${name}: ${detail()}`);
    },
  };
}

function trace({ is_traced, history, time }: WorldState, line: () => string): void {
  if (is_traced) history.push(`${(time / 1000).toFixed(3).padStart(9)} ${line()}`);
}

function at(state: WorldState, life: Life | null, delay_ms: number, action: () => void): () => void {
  state.order += 1;
  const event: Event = { at: state.time + Math.max(0, delay_ms), order: state.order, life, action };
  state.queue.push(event);
  return () => (event.action = null);
}

/** Runs events in batches. Node drains the microtasks after each immediate. */
function run(state: WorldState, limit_ms: number, done: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let ended = false;
    const one = (): void => {
      if (ended) return;
      try {
        ended = done() || !runNext(state, limit_ms);
      } catch (error) {
        ended = true;
        reject(error instanceof Error ? error : new Error("An event threw a value that is not an error."));
      }
      if (ended) resolve();
    };
    const batch = (): void => {
      if (ended) return;
      for (let count = 0; count < BATCH; count += 1) setImmediate(one);
      setImmediate(batch);
    };
    batch();
  });
}

/** Runs the next event. Returns false if there is none before `limit_ms`. */
function runNext(state: WorldState, limit_ms: number): boolean {
  const event = state.queue.next(limit_ms);
  if (event === null) {
    state.time = limit_ms;
    return false;
  }
  state.time = event.at;
  const { action, life } = event;
  if (action === null || life?.dead === true) return true;
  if (life?.paused === true) life.held.push(() => event.action?.());
  else action();
  return true;
}

function pause({ time }: WorldState, life: Life): void {
  life.paused = true;
  life.disturbed_at = time;
}

function resume(state: WorldState, life: Life): void {
  if (life.dead) return;
  life.paused = false;
  life.disturbed_at = state.time;
  const { held } = life;
  life.held = [];
  for (const action of held) at(state, life, 0, action);
}

function kill({ time }: WorldState, life: Life): void {
  life.dead = true;
  life.disturbed_at = time;
  life.held = [];
}

function happened(state: WorldState, name: FaultName, where: string): void {
  state.counts.set(name, (state.counts.get(name) ?? 0) + 1);
  trace(state, () => `fault   ${name} (${where})`);
  for (const listener of state.listeners) listener();
}
