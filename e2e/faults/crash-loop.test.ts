/**
 * The n-th point of a refresh, for n = 1, 2, ... until a refresh gets to its end: killed there, failed there, or stopped for
 * twice its lease. Whatever n is, the connection is renewed, or it says why not; the only points that may cost a single-use
 * refresh token are those at which nobody but the dead process has the provider's answer.
 */
import { afterAll, expect, it, onTestFinished } from "vitest";
import { FULL, type Node } from "./support/cluster.ts";
import {
  LEASE_MS,
  LEASE_STRICT_MS,
  openLanes,
  RECOVERED_WITHIN_MS,
  strike,
  type Lane,
  type Lanes,
} from "./support/cluster-lanes.ts";
import { CLASSES, needsReconnect, read, settled, until, type Outcome, type Rotation } from "./support/outcome.ts";
import type { Action } from "./support/points-plan.ts";

const LANES = FULL ? 3 : 2;
const ROTATIONS: readonly Rotation[] = FULL ? CLASSES : ["grace"];
const ACTIONS: readonly Extract<Action, "kill" | "throw" | "stop">[] = FULL ? ["kill", "throw", "stop"] : ["kill"];
/** There the provider's answer is in this process's memory, and nowhere else. */
const ONLY_IN_MEMORY: Readonly<Record<string, readonly string[]>> = {
  kill: ["oauth.refresh:after", "spill.append:before"],
  // A call that fails after the fact has thrown the answer away.
  throw: ["oauth.refresh:after"],
  stop: [],
};
const ABOUT: Readonly<Record<string, string>> = {
  kill: "killed at its n-th point",
  throw: "whose n-th call fails, before or after the fact,",
  stop: "stopped at its n-th point for twice its lease",
};

/** A stop is twice as long, and nothing has to be brought back from a disk in it. */
const LEASE_STOPPED_MS = 3_000;

const struck: Record<string, number> = {};
let lost = 0;

afterAll(() => {
  const totals = Object.entries(struck).map(([action, count]) => `${count} ${action}`);
  console.info(`crash loop: ${totals.join(", ")}; ${lost} single-use tokens lost and named`);
});

interface Struggle {
  readonly lanes: Lanes;
  readonly lane: Lane;
  readonly at: number;
  readonly action: Action;
  readonly lease_ms: number;
}

/** What ends the fault, if anything does: a restart, or the end of the stop. */
async function endOf({ lanes, lane, action, lease_ms }: Struggle, victim: Node): Promise<void> {
  if (action === "kill") lanes.restart(lane, true);
  if (action !== "stop") return;
  const resumed_at = performance.now() + 2 * lease_ms;
  await until("twice its lease is over", () => (performance.now() >= resumed_at ? true : null));
  victim.signal("SIGCONT");
}

/** A line for each thing that is wrong; null at a number that no point has. */
async function complaintsAt(struggle: Struggle): Promise<readonly string[] | null> {
  const { lanes, lane, at, action, lease_ms } = struggle;
  const { cluster } = lanes;
  const victim = await lane.victim;
  const { subject, passed, fired } = await strike(lanes, lane, { at }, action);
  if (!fired) return null;
  struck[action] = (struck[action] ?? 0) + 1;
  const point = passed.find((one) => one.fired)?.point ?? "";
  const place = `${lane.rotation}, ${action} at ${at} (${point})`;
  await endOf(struggle, victim);
  const holder = action === "throw" ? { holder: victim } : {};
  const limit_ms = lease_ms + RECOVERED_WITHIN_MS;
  const outcome = await settled(cluster, subject, { limit_ms, ...holder }).catch(String);
  await lane.victim;
  if (typeof outcome === "string") return [`${place}: ${outcome}`];
  const reply = await read(cluster.first, subject);
  const may_be_lost = lane.rotation === "strict" && (ONLY_IN_MEMORY[action] ?? []).includes(point);
  const is_lost = outcome.status === "expired";
  if (is_lost) lost += 1;
  return complaints({ ...outcome, may_be_lost }, lane, action)
    .concat(reply?.status === (is_lost ? 409 : 200) ? [] : [`answers ${reply?.status}`])
    .map((problem) => `${place}: ${problem}`);
}

function complaints(outcome: Outcome & { may_be_lost: boolean }, { rotation }: Lane, action: Action): string[] {
  const is_lost = outcome.status === "expired";
  const is_named = outcome.reason === "refresh_outcome_unknown" && needsReconnect(outcome) === 1;
  const most_requests = action === "stop" && rotation === "strict" ? 1 : 2;
  return [
    is_lost && !outcome.may_be_lost && "is lost",
    is_lost && !is_named && "is lost in silence",
    !is_lost && needsReconnect(outcome) > 0 && "is announced as lost",
    !is_lost && outcome.refresh_token !== "current" && `has a refresh token that is ${outcome.refresh_token}`,
    outcome.revocations > 0 && "had a token revoked",
    outcome.requests > most_requests && `took ${outcome.requests} requests`,
    rotation === "strict" && outcome.max_in_flight > 1 && "was sent twice at once",
  ].filter((problem) => problem !== false);
}

/** The points of a refresh that nothing happens to. */
async function pointsOf(lanes: Lanes, rotation: Rotation): Promise<readonly string[]> {
  const [passed = []] = await lanes.runAll([{ rotation }], async (lane) => {
    const untouched = await strike(lanes, lane, { point: "none" }, "throw");
    return untouched.passed.map(({ point }) => point);
  });
  return passed;
}

/**
 * From there on the answer is on a disk, which has to be back before the lease is over: a restart takes as long as the
 * machine is busy, so that these trials get leases that outlast any. Nobody waits for them to end.
 */
const ON_DISK = "spill.append:after";
const LEASE_ON_DISK_MS = 60_000;

interface Part {
  readonly lease_strict_ms: number;
  readonly isIn: (at: number, points: readonly string[]) => boolean;
}

const onDisk = (at: number, points: readonly string[]): boolean => at > points.indexOf(ON_DISK);
const PARTS: Readonly<Record<string, readonly Part[]>> = {
  kill: [
    { lease_strict_ms: LEASE_STRICT_MS, isIn: (at, points) => !onDisk(at, points) },
    { lease_strict_ms: LEASE_ON_DISK_MS, isIn: onDisk },
  ],
  throw: [{ lease_strict_ms: LEASE_STRICT_MS, isIn: () => true }],
  stop: [{ lease_strict_ms: LEASE_STOPPED_MS, isIn: () => true }],
};

/** What is wrong, and at which numbers of this part no refresh came by. */
async function runPart(
  action: Action,
  { lease_strict_ms, isIn }: Part,
): Promise<{ wrong: string[]; unfired: string[] }> {
  const lanes = await openLanes(LANES, lease_strict_ms);
  onTestFinished(() => lanes.close());
  const wrong: string[] = [];
  const unfired: string[] = [];
  const trials: { rotation: Rotation; at: number }[] = [];
  for (const rotation of ROTATIONS) {
    const points = await pointsOf(lanes, rotation);
    // One more than there are: the run that ends clean.
    const numbers = Array.from({ length: points.length + 1 }, (_, n) => n + 1).filter((at) => isIn(at, points));
    trials.push(...numbers.map((at) => ({ rotation, at })));
  }
  await lanes.runAll(trials, async (lane, { rotation, at }) => {
    const lease_ms = rotation === "strict" ? lease_strict_ms : LEASE_MS;
    const found = await complaintsAt({ lanes, lane, at, action, lease_ms });
    wrong.push(...(found ?? []));
    if (found === null) unfired.push(rotation);
  });
  return { wrong, unfired };
}

for (const action of ACTIONS) {
  it(`F11: a refresh ${ABOUT[action]} costs no connection, for n from 1 to the last`, async () => {
    const found = [];
    for (const part of PARTS[action] ?? []) found.push(await runPart(action, part));
    expect(found.flatMap(({ wrong }) => wrong)).toEqual([]);
    // Each class's loop came to its end: one number that no point has.
    expect(found.flatMap(({ unfired }) => unfired).toSorted()).toEqual(ROTATIONS.toSorted());
  });
}
