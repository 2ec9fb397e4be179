/**
 * One run: three nodes, their readers and a provider, for some minutes of simulated time with
 * faults. Then the faults end, and everything must settle. The same plan always gives the same run.
 */
import { LIMITS } from "../../src/core/limits.ts";
import { newWorkspaceId } from "../../src/core/ids.ts";
import { plus } from "../../src/core/types.ts";
import type { RotationClass } from "../../src/providers/provider.ts";
import { run } from "../../src/store/operation.ts";
import { clearMisconfigured, putConnection } from "../../src/store/queries/connections.ts";
import { consentedRow, createActions, type Actions } from "./actions.ts";
import { createCluster } from "./cluster.ts";
import type { SharedDatabase } from "./database.ts";
import { FAULT_NAMES, type FaultName, type Profile } from "./faults.ts";
import { createNetwork, type Weather } from "./network.ts";
import { catalogOf, providerFor } from "./node.ts";
import { createObserver } from "./observer.ts";
import { createProcesses, type Processes } from "./processes.ts";
import { createProvider } from "./provider.ts";
import { createRandom } from "./random.ts";
import { createReaders, type Readers } from "./readers.ts";
import { CLIENT_ID, NODES, subjectOf, WALL, type Machine, type Stage, type Subject } from "./stage.ts";
import { createQueryCache } from "./store.ts";
import { createSimulatedVault } from "./vault.ts";
import { createWorld, type World } from "./world.ts";

export interface Plan {
  readonly seed: number;
  readonly rotation: RotationClass;
  readonly grace_ms: number;
  readonly access_ms: number;
  readonly connections: number;
  /** Duration of the faults. */
  readonly faulty_ms: number;
  readonly profile: Profile;
  /** The first tokens have one of these ages, as shares of their lifetime. */
  readonly ages: readonly [number, ...number[]];
  /** Ends the run at the first violation. False if losses are counted. */
  readonly ends_early: boolean;
}

export interface Outcome {
  readonly violations: readonly string[];
  readonly counts: ReadonlyMap<FaultName, number>;
  readonly checks: number;
  readonly history: readonly string[];
  /** Connections that ended with `expired`. */
  readonly lost: number;
  readonly simulated_ms: number;
}

/**
 * Longer than the longest wait: the largest backoff, a strict lease, five minutes for its holder,
 * and a few failures.
 */
const SETTLE_MS = LIMITS.backoff_cap_ms + 1_800_000;
const DAY_MS = 86_400_000;

export async function runEpisode(shared: SharedDatabase, plan: Plan, trace: boolean): Promise<Outcome> {
  shared.empty();
  const world = createWorld(createRandom(plan.seed), trace);
  const { stage, processes, readers, actions } = setUp(shared, plan, world);
  await connectAll(stage, plan);
  for (const { node } of stage.machines) world.at(null, node * 300, () => processes.start(node));
  schedule(actions, stage, plan);
  watch(stage);
  const hasFailed = (): boolean => plan.ends_early && world.violations.length > 0;
  await world.run(plan.faulty_ms, hasFailed);
  endFaults(stage, processes);
  await world.run(plan.faulty_ms + SETTLE_MS, settled(stage, readers, plan, hasFailed));
  if (!hasFailed()) stage.observer.finish(readers.waiting());
  const { violations, counts, checks, history } = world;
  return { violations, counts, checks, history, lost: stage.observer.lost(), simulated_ms: world.now() };
}

interface SetUp {
  readonly stage: Stage;
  readonly processes: Processes;
  readonly readers: Readers;
  readonly actions: Actions;
}

function setUp(database: SharedDatabase, plan: Plan, world: World): SetUp {
  const profile: Profile = { ...plan.profile };
  const provider = createProvider({ ...plan, now: world.now });
  const catalog = catalogOf(providerFor(provider));
  const weather: Weather = { provider_down_until: 0, invalid_client_until: 0, throttled_until: 0 };
  const deleted_apps = new Set<string>();
  const others = Array.from({ length: plan.connections - 1 }, (_, index) => subjectOf(index + 1));
  const subjects: [Subject, ...Subject[]] = [subjectOf(0), ...others];
  const readers = createReaders(() => stage);
  const processes = createProcesses({
    stage: () => stage,
    network: () => network,
    queries: () => queries,
    started: readers.visit,
  });
  const { step, clockOf } = processes;
  const cluster = createCluster({
    world,
    profile,
    database,
    clockOf,
    wall: WALL,
    step,
    observe(what) {
      if (what === "commit") return observer.committed();
      observer.failedOver();
      // A lost commit can have deleted an app, which exists again.
      for (const { app_id } of database.connections()) deleted_apps.delete(app_id);
    },
  });
  const observer = createObserver({ world, provider, database, cluster, connections: subjects.map(({ id }) => id) });
  world.onFault(observer.disturbed);
  const queries = createQueryCache(() => cluster.version, database.connections);
  const network = createNetwork({
    world,
    profile,
    provider,
    weather,
    step,
    sending(life, token) {
      disturbRequest(stage, actions);
      return observer.sending(life, token);
    },
  });
  const stage: Stage = {
    world,
    profile,
    provider,
    catalog,
    simulated: providerFor(provider),
    weather,
    database,
    cluster,
    observer,
    vault: createSimulatedVault((scope) => deleted_apps.has(scope)),
    subjects,
    deleted_apps,
    machines: [machineOf(world, profile, 0), machineOf(world, profile, 1), machineOf(world, profile, 2)],
    is_calm: false,
  };
  const actions = createActions(stage, processes);
  return { stage, processes, readers, actions };
}

/** Causes faults at the worst time: while a request is in flight. */
function disturbRequest({ world, profile, cluster }: Stage, actions: Actions): void {
  const { random } = world;
  if (random.chance(profile.consented_again * 0.1))
    world.at(null, random.between(1, 250), () => actions.consented_again?.());
  if (random.chance(profile.database_down_after_send))
    world.at(null, 1, () => cluster.down("database_down_after_send", random.between(1_000, 40_000)));
}

const SKEWS = {
  clock_ahead_5min: 300_000,
  clock_behind_5min: -300_000,
  clock_ahead_day: DAY_MS,
  clock_behind_day: -DAY_MS,
} as const satisfies Partial<Record<FaultName, number>>;

function machineOf(world: World, profile: Profile, node: number): Machine {
  const names = ["clock_ahead_5min", "clock_behind_5min", "clock_ahead_day", "clock_behind_day"] as const;
  const skew = names.find((name) => world.random.chance(profile[name]));
  if (skew !== undefined) world.happened(skew, `node ${node} of ${NODES}`);
  return { node, boots: 0, disk: { kept: [] }, skew_ms: skew === undefined ? 0 : SKEWS[skew], current: null };
}

async function connectAll(stage: Stage, { ages, access_ms }: Plan): Promise<void> {
  const { world, provider, cluster, subjects } = stage;
  for (const subject of subjects) {
    const age_ms = Math.floor(access_ms * world.random.pick(ages));
    const consented = await consentedRow(
      stage,
      subject,
      provider.consent(subject.id, age_ms),
      null,
      plus(WALL, -age_ms),
    );
    const { id, app_id } = subject;
    await cluster.commit(async (tx) => {
      const app = { id: app_id, workspace_id: newWorkspaceId(), name: id, created_at: tx.now, functions_enabled: 1 };
      await run(tx.db.insertInto("apps").values(app));
      await putConnection(tx, consented, null);
    });
  }
}

function schedule(actions: Actions, { world, profile }: Stage, { faulty_ms }: Plan): void {
  for (const name of FAULT_NAMES) {
    const action = actions[name];
    if (action === undefined) continue;
    const times = Math.floor(profile[name] + world.random.next());
    for (let time = 0; time < times; time += 1) world.at(null, world.random.between(2_000, faulty_ms), action);
  }
}

/** Reports each second to the observer if no node could have completed a refresh. */
function watch(stage: Stage): void {
  const { world, cluster, weather, observer, machines } = stage;
  world.at(null, 1_000, () => {
    const until = Math.max(weather.throttled_until, weather.provider_down_until, weather.invalid_client_until);
    const isHealthy = ({ node, current }: Machine): boolean =>
      current !== null && !current.life.paused && !cluster.isCutOff(node);
    if (cluster.isDown() || world.now() < until || !machines.some(isHealthy)) observer.disturbed();
    watch(stage);
  });
}

/** Ends the faults. Paused processes resume in time, and dead ones are started. */
function endFaults(stage: Stage, processes: Processes): void {
  const { world, profile, weather, cluster, machines } = stage;
  world.trace(() => "the faults end");
  stage.is_calm = true;
  for (const name of FAULT_NAMES) profile[name] = 0;
  weather.provider_down_until = 0;
  if (weather.invalid_client_until > world.now()) {
    weather.invalid_client_until = 0;
    void cluster.commit((tx) => clearMisconfigured(tx, CLIENT_ID));
  }
  cluster.heal();
  for (const { node, current } of machines) if (current === null) world.at(null, 1_000, () => processes.start(node));
}

const CHECK_EVERY_MS = 1_000;
/** Time for the last requests of readers. */
const REST_MS = 2_000;

/** Returns a function that reports whether everything has settled, or the run has failed. */
function settled(stage: Stage, readers: Readers, { faulty_ms }: Plan, hasFailed: () => boolean): () => boolean {
  const { world, machines, database } = stage;
  let check_at = faulty_ms + 3_000;
  let since = Number.POSITIVE_INFINITY;
  return () => {
    if (hasFailed()) return true;
    if (world.now() < check_at) return false;
    check_at = world.now() + CHECK_EVERY_MS;
    const is_up = machines.every(({ current }) => current?.life.paused === false);
    const is_idle = database
      .connections()
      .every(({ intent_at, lease_owner, confirm_at }) => (intent_at ?? lease_owner ?? confirm_at) === null);
    since = is_up && is_idle ? Math.min(since, world.now()) : Number.POSITIVE_INFINITY;
    return world.now() >= since + REST_MS && readers.waiting() === 0;
  };
}
