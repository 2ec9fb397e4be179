/** The processes on the machines: how they start, stand still, die, and are started again. */
import type { Clock } from "../../src/core/clock.ts";
import { plus } from "../../src/core/types.ts";
import type { Network } from "./network.ts";
import { startNode, type Node } from "./node.ts";
import { openSimulatedSpill } from "./spill.ts";
import { WALL, type Stage } from "./stage.ts";
import { createSimulatedStore, type Known } from "./store.ts";
import type { Life, Step } from "./world.ts";

const SPILL_KEEP_MS = 600_000;

const PAUSES_MS = {
  pause_seconds: [500, 18_000],
  pause_beyond_lease: [25_000, 200_000],
  pause_up_to_90s: [1, 90_000],
} as const;
type Pause = keyof typeof PAUSES_MS;
const PAUSES = ["pause_seconds", "pause_beyond_lease", "pause_up_to_90s"] as const satisfies readonly Pause[];

/** Steps that are no part of a refresh happen so often that a process would hardly get to one. */
const RARELY: Readonly<Record<string, number>> = {
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
  /** One that runs now, by chance; null: none does. */
  any(): Node | null;
}

export interface ProcessesOptions {
  /** Made after the processes, since its parts need their steps. */
  readonly stage: () => Stage;
  readonly network: () => Network;
  readonly known: () => Known;
  readonly started: (node: Node) => void;
}

export function createProcesses({ stage, network, known, started }: ProcessesOptions): Processes {
  const step: Step = (life, where, go) => {
    const { world, profile, calm } = stage();
    if (life.dead) return;
    if (life.paused) return void life.held.push(go);
    if (calm) return go();
    const weight = RARELY[where] ?? 1;
    if (world.random.chance(profile.crash * weight)) return crash(life, "crash", where);
    const name = PAUSES.find((kind) => world.random.chance(profile[kind] * weight));
    if (name === undefined) return go();
    pause(life, name, where);
    life.held.push(go);
  };

  function crash(life: Life, name: "crash" | "crash_of_all_nodes", where: string): void {
    const { world, profile } = stage();
    const { random } = world;
    world.happened(name, `${life.owner} ${where}`);
    const late = random.chance(profile.crash_noticed_late);
    if (late) world.happened("crash_noticed_late", life.owner);
    end(life, late ? random.between(1_000, 20_000) : 0, random.pick([200, 3_000, 20_000, 60_000, 120_000]));
  }

  function end(life: Life, noticed_in_ms: number, restart_in_ms: number): void {
    const { world, cluster, machines } = stage();
    world.kill(life);
    cluster.died(life, noticed_in_ms);
    const machine = machines[life.node];
    if (machine !== undefined) machine.current = null;
    world.at(null, restart_in_ms, () => start(life.node));
  }

  function pause(life: Life, name: Pause, where: string): void {
    const { world } = stage();
    const [shortest, longest] = PAUSES_MS[name];
    const for_ms = world.random.between(shortest, longest);
    world.happened(name, `${life.owner} ${where}, ${for_ms} ms`);
    world.pause(life);
    world.at(null, for_ms, () => world.resume(life));
  }

  function start(node: number): void {
    const { world, profile, vault, catalog, cluster, judge, machines } = stage();
    const machine = machines[node];
    if (machine === undefined || machine.current !== null) return;
    machine.boots += 1;
    const owner = `node_${node}_${machine.boots}`;
    const life: Life = { owner, node, dead: false, paused: false, held: [], disturbed_at: world.now() };
    world.note(() => `${owner} starts`);
    const engine = cluster.engineOf(life);
    const spill = openSimulatedSpill({ world, profile, life, disk: machine.disk, keep_ms: SPILL_KEEP_MS, step });
    const begun = startNode({
      world,
      life,
      engine,
      store: createSimulatedStore(engine, known()),
      vault,
      oauth: network().clientOf(life),
      catalog,
      spill,
      revoking: judge.revoking,
      superseded: (id) => judge.superseded(life, id),
      started: () => started(begun),
      failedToStart: () => end(life, 0, 1_000),
    });
    // Its first step may have been its last.
    machine.current = life.dead ? null : begun;
  }

  return {
    step,
    start,
    clockOf: (life) => ({
      now: () => plus(WALL, stage().world.now() + (stage().machines[life.node]?.skew_ms ?? 0)),
      monotonic_ms: () => stage().world.now(),
      after: (delay_ms, action) => stage().world.at(life, delay_ms, action),
    }),
    crashAll() {
      for (const { current } of stage().machines)
        if (current !== null) crash(current.life, "crash_of_all_nodes", "with all others");
    },
    any() {
      const { machines, world } = stage();
      const running = machines.flatMap(({ current }) => (current === null || current.life.paused ? [] : [current]));
      const [first, ...rest] = running;
      return first === undefined ? null : world.random.pick([first, ...rest]);
    },
  };
}
