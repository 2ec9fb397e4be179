/**
 * The n-th point of a refresh, for n = 1, 2, ... until a refresh completes: the process is killed
 * there, the call fails there, or the process stops for twice its lease. For every n the connection
 * is renewed, or names the reason. A single-use refresh token may be lost only where the provider's
 * response is in the memory of the dead process and nowhere else.
 */
import { afterAll, expect, it, onTestFinished } from "vitest";
import { FULL, type Node } from "./support/cluster.ts";
import {
  LEASE_MS,
  LEASE_STRICT_MS,
  openLanes,
  RECOVERED_WITHIN_MS,
  inject,
  type Lane,
  type Lanes,
} from "./support/cluster-lanes.ts";
import {
  CLASSES,
  reconnectEvents,
  read,
  settledOutcome,
  waitFor,
  type Outcome,
  type Rotation,
} from "./support/outcome.ts";
import type { Action } from "./support/points-plan.ts";

const LANES = FULL ? 3 : 2;
const ROTATIONS: readonly Rotation[] = FULL ? CLASSES : ["grace"];
const ACTIONS: readonly Extract<Action, "kill" | "throw" | "stop">[] = FULL ? ["kill", "throw", "stop"] : ["kill"];
/** Here the provider's response is in this process's memory, and nowhere else. */
const ONLY_IN_MEMORY: Readonly<Record<string, readonly string[]>> = {
  kill: ["oauth.refresh:after", "spill.append:before"],
  // A call that fails after processing has discarded the response.
  throw: ["oauth.refresh:after"],
};
const ABOUT: Readonly<Record<string, string>> = {
  kill: "killed at its n-th point",
  throw: "whose n-th call fails, before or after processing,",
  stop: "stopped at its n-th point for twice its lease",
};

/** Shorter, because a stop lasts twice as long and recovers nothing from a disk. */
const LEASE_STOPPED_MS = 3_000;

const injected: Record<string, number> = {};
let lost = 0;

afterAll(() => {
  const totals = Object.entries(injected).map(([action, count]) => `${count} ${action}`);
  console.info(`crash loop: ${totals.join(", ")}; ${lost} single-use tokens lost with a reason`);
});

interface Trial {
  readonly lanes: Lanes;
  readonly lane: Lane;
  readonly at: number;
  readonly action: Action;
  readonly lease_ms: number;
}

/** Ends the fault, by a restart or by resuming a stopped process. */
async function endFault({ lanes, lane, action, lease_ms }: Trial, victim: Node): Promise<void> {
  if (action === "kill") lanes.restart(lane, true);
  if (action !== "stop") return;
  const resumed_at = performance.now() + 2 * lease_ms;
  await waitFor("twice its lease has passed", () => (performance.now() >= resumed_at ? true : null));
  victim.signal("SIGCONT");
}

/** Returns a line for each problem, or null if no point has this number. */
async function problemsAt(trial: Trial): Promise<readonly string[] | null> {
  const { lanes, lane, at, action, lease_ms } = trial;
  const { cluster } = lanes;
  const victim = await lane.victim;
  const { subject, passed, fired } = await inject(lanes, lane, { at }, action);
  if (!fired) return null;
  injected[action] = (injected[action] ?? 0) + 1;
  const point = passed.find((entry) => entry.fired)?.point ?? "";
  const place = `${lane.rotation}, ${action} at ${at} (${point})`;
  await endFault(trial, victim);
  const holder = action === "throw" ? { holder: victim } : {};
  const limit_ms = lease_ms + RECOVERED_WITHIN_MS;
  const outcome = await settledOutcome(cluster, subject, { limit_ms, ...holder }).catch(String);
  await lane.victim;
  if (typeof outcome === "string") return [`${place}: ${outcome}`];
  const reply = await read(cluster.first, subject);
  const can_be_lost = lane.rotation === "strict" && (ONLY_IN_MEMORY[action] ?? []).includes(point);
  const is_lost = outcome.status === "expired";
  if (is_lost) lost += 1;
  return problemsOf({ ...outcome, can_be_lost }, lane, action)
    .concat(reply?.status === (is_lost ? 409 : 200) ? [] : [`returns ${reply?.status}`])
    .map((problem) => `${place}: ${problem}`);
}

function problemsOf(outcome: Outcome & { can_be_lost: boolean }, { rotation }: Lane, action: Action): string[] {
  const is_lost = outcome.status === "expired";
  const has_reason = outcome.reason === "refresh_outcome_unknown" && reconnectEvents(outcome) === 1;
  const most_requests = action === "stop" && rotation === "strict" ? 1 : 2;
  return [
    is_lost && !outcome.can_be_lost && "is lost",
    is_lost && !has_reason && "is lost without a reason",
    !is_lost && reconnectEvents(outcome) > 0 && "is reported as lost",
    !is_lost && outcome.refresh_token !== "current" && `has a refresh token that is ${outcome.refresh_token}`,
    outcome.revocations > 0 && "had a token revoked",
    outcome.requests > most_requests && `took ${outcome.requests} requests`,
    rotation === "strict" && outcome.max_in_flight > 1 && "was sent twice at the same time",
  ].filter((problem) => problem !== false);
}

/** Returns the points of a refresh without a fault. */
async function pointsOf(lanes: Lanes, rotation: Rotation): Promise<readonly string[]> {
  const [passed = []] = await lanes.runAll([{ rotation }], async (lane) => {
    const untouched = await inject(lanes, lane, { point: "none" }, "throw");
    return untouched.passed.map(({ point }) => point);
  });
  return passed;
}

/**
 * From this point on the response is on a disk, and a restart must recover it before the lease
 * expires. A restart takes as long as the machine is busy, so these trials get leases that outlast
 * any restart. No trial waits for such a lease.
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

/** Returns the problems, and the classes for which a number of this part matched no point. */
async function runPart(
  action: Action,
  { lease_strict_ms, isIn }: Part,
): Promise<{ problems: string[]; unfired: string[] }> {
  const lanes = await openLanes(LANES, lease_strict_ms);
  onTestFinished(() => lanes.close());
  const problems: string[] = [];
  const unfired: string[] = [];
  const trials: { rotation: Rotation; at: number }[] = [];
  for (const rotation of ROTATIONS) {
    const points = await pointsOf(lanes, rotation);
    // One more than there are points: the run that completes.
    const numbers = Array.from({ length: points.length + 1 }, (_, n) => n + 1).filter((at) => isIn(at, points));
    trials.push(...numbers.map((at) => ({ rotation, at })));
  }
  await lanes.runAll(trials, async (lane, { rotation, at }) => {
    const lease_ms = rotation === "strict" ? lease_strict_ms : LEASE_MS;
    const found = await problemsAt({ lanes, lane, at, action, lease_ms });
    problems.push(...(found ?? []));
    if (found === null) unfired.push(rotation);
  });
  return { problems, unfired };
}

for (const action of ACTIONS) {
  it(`F11: a refresh ${ABOUT[action]} loses no connection, for n from 1 to the last point`, async () => {
    const found = [];
    for (const part of PARTS[action] ?? []) found.push(await runPart(action, part));
    expect(found.flatMap(({ problems }) => problems)).toEqual([]);
    // Each class's loop reached its end: one number that no point has.
    expect(found.flatMap(({ unfired }) => unfired).toSorted()).toEqual(ROTATIONS.toSorted());
  });
}
