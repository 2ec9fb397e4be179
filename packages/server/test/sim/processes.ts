/** The processes on the machines: how they start, pause, die, and are started again. */
import type { Clock } from "../../src/core/clock.ts";
import { plus } from "../../src/core/types.ts";
import type { Network } from "./network.ts";
import { startNode, type Node } from "./node.ts";
import { openSimulatedSpill } from "./spill.ts";
import { WALL, type Stage } from "./stage.ts";
import { createSimulatedStore, type QueryCache } from "./store.ts";
import type { Life, Step } from "./world.ts";

const SPILL_KEEP_MS = 600_000;

const PAUSES_MS = {
  pause_seconds: [500, 18_000],
  pause_beyond_lease: [25_000, 200_000],
  pause_up_to_90s: [1, 90_000],
} as const;
type Pause = keyof typeof PAUSES_MS;
const PAUSES = ["pause_seconds", "pause_beyond_lease", "pause_up_to_90s"] as const satisfies readonly Pause[];

/**
 * Weights of steps that are not part of a refresh. They are so frequent that a process would hardly
 * ever get to a refresh.
 */
const WEIGHTS: Readonly<Record<string, number>> = {
  "before a read": 0.04,
  "after a read": 0.04,
  "before bookkeeping": 0.04,
  "after bookkeeping": 0.04,
};

export interface Processes {
  readonly step: Step;
  clockOf(life: Life): Clock;
  start(node: number): void;
  crashAll(): void;
  /** Returns a random running process, or null. */
  any(): Node | null;
}

export interface ProcessesOptions {
  /** Functions, because these are created after the processes, and need their steps. */
  readonly stage: () => Stage;
  readonly network: () => Network;
  readonly queries: () => QueryCache;
  readonly started: (node: Node) => void;
}

export function createProcesses(options: ProcessesOptions): Processes {
  return {
    step: (life, where, proceed) => step(options, life, where, proceed),
    clockOf: (life) => clockOf(options.stage, life),
    start: (node) => start(options, node),
    crashAll: () => crashAll(options),
    any: () => anyRunning(options.stage()),
  };
}

function step(options: ProcessesOptions, life: Life, where: string, proceed: () => void): void {
  const { world, profile, is_calm } = options.stage();
  if (life.dead) return;
  if (life.paused) return void life.held.push(proceed);
  if (is_calm) return proceed();
  const weight = WEIGHTS[where] ?? 1;
  if (world.random.chance(profile.crash * weight)) return crash(options, life, "crash", where);
  const name = PAUSES.find((kind) => world.random.chance(profile[kind] * weight));
  if (name === undefined) return proceed();
  pause(options.stage(), life, name, where);
  life.held.push(proceed);
}

function clockOf(stage: ProcessesOptions["stage"], life: Life): Clock {
  return {
    now: () => plus(WALL, stage().world.now() + (stage().machines[life.node]?.skew_ms ?? 0)),
    monotonic_ms: () => stage().world.now(),
    after: (delay_ms, action) => stage().world.at(life, delay_ms, action),
  };
}

function crash(options: ProcessesOptions, life: Life, name: "crash" | "crash_of_all_nodes", where: string): void {
  const { world, profile } = options.stage();
  const { random } = world;
  world.happened(name, `${life.owner} ${where}`);
  const is_late = random.chance(profile.crash_noticed_late);
  if (is_late) world.happened("crash_noticed_late", life.owner);
  end(options, life, is_late ? random.between(1_000, 20_000) : 0, random.pick([200, 3_000, 20_000, 60_000, 120_000]));
}

function crashAll(options: ProcessesOptions): void {
  for (const { current } of options.stage().machines)
    if (current !== null) crash(options, current.life, "crash_of_all_nodes", "with all others");
}

/** Ends a process, and starts another one on its machine later. */
function end(options: ProcessesOptions, life: Life, noticed_in_ms: number, restart_in_ms: number): void {
  const { world, cluster, machines } = options.stage();
  world.kill(life);
  cluster.died(life, noticed_in_ms);
  const machine = machines[life.node];
  if (machine !== undefined) machine.current = null;
  world.at(null, restart_in_ms, () => start(options, life.node));
}

function pause({ world }: Stage, life: Life, name: Pause, where: string): void {
  const [shortest, longest] = PAUSES_MS[name];
  const for_ms = world.random.between(shortest, longest);
  world.happened(name, `${life.owner} ${where}, ${for_ms} ms`);
  world.pause(life);
  world.at(null, for_ms, () => world.resume(life));
}

function start(options: ProcessesOptions, node: number): void {
  const { world, vault, catalog, cluster, observer, machines } = options.stage();
  const machine = machines[node];
  if (machine === undefined || machine.current !== null) return;
  machine.boots += 1;
  const owner = `node_${node}_${machine.boots}`;
  const life: Life = { owner, node, dead: false, paused: false, held: [], disturbed_at: world.now() };
  world.trace(() => `${owner} starts`);
  const engine = cluster.engineOf(life);
  const begun = startNode({
    world,
    life,
    engine,
    store: createSimulatedStore(engine, options.queries()),
    vault,
    oauth: options.network().clientOf(life),
    catalog,
    spill: openSpill(options, life),
    revoking: observer.revoking,
    superseded: (id) => observer.superseded(life, id),
    started: () => options.started(begun),
    failedToStart: () => end(options, life, 0, 1_000),
  });
  // The process can have died at its first step.
  machine.current = life.dead ? null : begun;
}

function openSpill(options: ProcessesOptions, life: Life): ReturnType<typeof openSimulatedSpill> {
  const { world, profile, machines } = options.stage();
  const disk = machines[life.node]?.disk ?? { kept: [] };
  const ownStep: Step = (...call) => step(options, ...call);
  return openSimulatedSpill({ world, profile, life, disk, keep_ms: SPILL_KEEP_MS, step: ownStep });
}

function anyRunning({ machines, world }: Stage): Node | null {
  const running = machines.flatMap(({ current }) => (current === null || current.life.paused ? [] : [current]));
  const [first, ...rest] = running;
  return first === undefined ? null : world.random.pick([first, ...rest]);
}
