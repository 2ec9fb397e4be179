/**
 * One run: three nodes, their readers and a provider for some minutes of simulated time in which things go wrong, then quiet,
 * in which everything has to come to rest. The same plan always gives the same run.
 */
import { newWorkspaceId } from "../../src/core/ids.ts";
import { plus } from "../../src/core/types.ts";
import { createCluster } from "./cluster.ts";
import type { SharedDatabase } from "./database.ts";
import type { RotationClass } from "../../src/providers/provider.ts";
import { run } from "../../src/store/operation.ts";
import { clearMisconfigured, putConnection } from "../../src/store/queries/connections.ts";
import { consentedRow, createDeeds, type Deeds } from "./deeds.ts";
import { FAULT_NAMES, type FaultName, type Profile } from "./faults.ts";
import { createJudge } from "./judge.ts";
import { createNetwork, type Weather } from "./network.ts";
import { catalogOf, providerFor } from "./node.ts";
import { createProcesses, type Processes } from "./processes.ts";
import { createProvider } from "./provider.ts";
import { createRandom } from "./random.ts";
import { createReaders, type Readers } from "./readers.ts";
import { CLIENT_ID, NODES, subjectOf, WALL, type Machine, type Stage, type Subject } from "./stage.ts";
import { createKnown } from "./store.ts";
import { createSimulatedVault } from "./vault.ts";
import { createWorld, type World } from "./world.ts";

export interface Plan {
  readonly seed: number;
  readonly rotation: RotationClass;
  readonly grace_ms: number;
  readonly access_ms: number;
  readonly connections: number;
  /** How long things go wrong. */
  readonly faulty_ms: number;
  readonly profile: Profile;
  /** How old the first tokens are, in shares of their life: one of these. */
  readonly ages: readonly [number, ...number[]];
  /** Ends with the first invariant that is broken; false where episodes are counted. */
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

/** Longer than the longest thing that is waited for: a strict lease, five minutes for its holder, and a few failures. */
const SETTLE_MS = 1_800_000;
const DAY_MS = 86_400_000;

export async function runEpisode(shared: SharedDatabase, plan: Plan, trace: boolean): Promise<Outcome> {
  shared.empty();
  const world = createWorld(createRandom(plan.seed), trace);
  const { stage, processes, readers, deeds } = setUp(shared, plan, world);
  await connectAll(stage, plan);
  for (const { node } of stage.machines) world.at(null, node * 300, () => processes.start(node));
  schedule(deeds, stage, plan);
  watch(stage);
  const isOver = (): boolean => plan.ends_early && world.violations.length > 0;
  await world.run(plan.faulty_ms, isOver);
  calmDown(stage, processes);
  await world.run(plan.faulty_ms + SETTLE_MS, atRest(stage, readers, plan, isOver));
  if (!isOver()) stage.judge.finish(readers.waiting());
  const { violations, counts, checks, history } = world;
  return { violations, counts, checks, history, lost: stage.judge.lost(), simulated_ms: world.now() };
}

interface SetUp {
  readonly stage: Stage;
  readonly processes: Processes;
  readonly readers: Readers;
  readonly deeds: Deeds;
}

function setUp(database: SharedDatabase, plan: Plan, world: World): SetUp {
  const profile: Profile = { ...plan.profile };
  const provider = createProvider({ ...plan, now: world.now });
  const catalog = catalogOf(providerFor(provider));
  const weather: Weather = { provider_down_until: 0, invalid_client_until: 0, silenced_until: 0 };
  const gone_apps = new Set<string>();
  const others = Array.from({ length: plan.connections - 1 }, (_, index) => subjectOf(index + 1));
  const subjects: [Subject, ...Subject[]] = [subjectOf(0), ...others];
  const readers = createReaders(() => stage);
  const processes = createProcesses({
    stage: () => stage,
    network: () => network,
    known: () => known,
    started: readers.come,
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
      if (what === "commit") return judge.committed();
      judge.failedOver();
      // What was deleted by a commit that is lost was never deleted.
      for (const { app_id } of database.connections()) gone_apps.delete(app_id);
    },
  });
  const judge = createJudge({ world, provider, database, cluster, connections: subjects.map(({ id }) => id) });
  world.onFault(judge.disturbed);
  const known = createKnown(() => cluster.version, database.connections);
  const network = createNetwork({
    world,
    profile,
    provider,
    weather,
    step,
    sending(life, token) {
      atTheWorstTime(stage, deeds);
      return judge.sending(life, token);
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
    judge,
    vault: createSimulatedVault((scope) => gone_apps.has(scope)),
    subjects,
    gone_apps,
    machines: [machineOf(world, profile, 0), machineOf(world, profile, 1), machineOf(world, profile, 2)],
    calm: false,
  };
  const deeds = createDeeds(stage, processes);
  return { stage, processes, readers, deeds };
}

/** While a request is under way. */
function atTheWorstTime({ world, profile, cluster }: Stage, deeds: Deeds): void {
  const { random } = world;
  if (random.chance(profile.consented_again * 0.1))
    world.at(null, random.between(1, 250), () => deeds.consented_again?.());
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

function schedule(deeds: Deeds, { world, profile }: Stage, { faulty_ms }: Plan): void {
  for (const name of FAULT_NAMES) {
    const deed = deeds[name];
    if (deed === undefined) continue;
    const times = Math.floor(profile[name] + world.random.next());
    for (let time = 0; time < times; time += 1) world.at(null, world.random.between(2_000, faulty_ms), deed);
  }
}

/** Tells the judge for how long nobody could have got a refresh through. */
function watch(stage: Stage): void {
  const { world, cluster, weather, judge, machines } = stage;
  world.at(null, 1_000, () => {
    const until = Math.max(weather.silenced_until, weather.provider_down_until, weather.invalid_client_until);
    const isFit = ({ node, current }: Machine): boolean =>
      current !== null && !current.life.paused && !cluster.isCutOff(node);
    if (cluster.isDown() || world.now() < until || !machines.some(isFit)) judge.disturbed();
    watch(stage);
  });
}

/** Nothing new goes wrong. Who stands still goes on in time, who is dead is started, who is out of reach is reached. */
function calmDown(stage: Stage, processes: Processes): void {
  const { world, profile, weather, cluster, machines } = stage;
  world.note(() => "faults are over");
  stage.calm = true;
  for (const name of FAULT_NAMES) profile[name] = 0;
  weather.provider_down_until = 0;
  if (weather.invalid_client_until > world.now()) {
    weather.invalid_client_until = 0;
    void cluster.commit((tx) => clearMisconfigured(tx, CLIENT_ID));
  }
  cluster.heal();
  for (const { node, current } of machines) if (current === null) world.at(null, 1_000, () => processes.start(node));
}

const LOOK_EVERY_MS = 1_000;
/** For those who asked last. */
const REST_MS = 2_000;

function atRest(stage: Stage, readers: Readers, { faulty_ms }: Plan, isOver: () => boolean): () => boolean {
  const { world, machines, database } = stage;
  let look_at = faulty_ms + 3_000;
  let since = Number.POSITIVE_INFINITY;
  return () => {
    if (isOver()) return true;
    if (world.now() < look_at) return false;
    look_at = world.now() + LOOK_EVERY_MS;
    const up = machines.every(({ current }) => current?.life.paused === false);
    const settled = database
      .connections()
      .every(({ intent_at, lease_owner, confirm_at }) => (intent_at ?? lease_owner ?? confirm_at) === null);
    since = up && settled ? Math.min(since, world.now()) : Number.POSITIVE_INFINITY;
    return world.now() >= since + REST_MS && readers.waiting() === 0;
  };
}
