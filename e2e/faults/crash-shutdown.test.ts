/**
 * The end of a process in order, with refreshes in flight; and the end of one whose request is still on the wire, where the
 * next one has to know how long to wait.
 */
import { afterAll, expect, it } from "vitest";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { FULL, startCluster, type Cluster, type Node } from "./support/cluster.ts";
import { LEASE_STRICT_MS, leases, NEVER_SWEEPS, RECOVERED_WITHIN_MS, SWEEPS_OFTEN } from "./support/cluster-lanes.ts";
import {
  expire,
  needsReconnect,
  outcomeOf,
  read,
  refreshesOf,
  settled,
  subject,
  until,
  type Subject,
} from "./support/outcome.ts";

const IN_FLIGHT = FULL ? 100 : 20;
const SERVICE = "slack";
const CLIENT_ID = "sim-rotate.shutdown";
/** Where a shutdown and a restart have to be over within it. */
const LONG_LEASE_MS = 60_000;
const UNKNOWN = "refresh_outcome_unknown";
const SETTLED_MS = LEASE_STRICT_MS + RECOVERED_WITHIN_MS;
const totals: string[] = [];

afterAll(() => {
  console.info(`crash shutdown: ${totals.join("; ")}`);
});

async function withCluster(env: Record<string, string>, action: (cluster: Cluster) => Promise<void>): Promise<void> {
  const database = await createDatabase();
  const cluster = await startCluster({ database, env: { ...leases(LEASE_STRICT_MS), ...env } });
  try {
    await action(cluster);
  } finally {
    await cluster.close();
    await database.drop();
  }
}

async function manySubjects(cluster: Cluster): Promise<readonly Subject[]> {
  const ones: Subject[] = [];
  for (let index = 0; index < IN_FLIGHT; index += 1) ones.push(await subject(cluster, SERVICE, CLIENT_ID));
  for (const one of ones) await expire(cluster, one);
  return ones;
}

const outcomes = (cluster: Cluster, ones: readonly Subject[]) =>
  Promise.all(ones.map((one) => outcomeOf(cluster, one)));
const SAVED = { status: "active", is_open: false, requests: 1, exchanges: 1, refresh_token: "current" };

it(`F16: SIGTERM with ${IN_FLIGHT} refreshes in flight lets them finish, leaves no intent open, and exits with 0`, async () => {
  await withCluster({ ...leases(LONG_LEASE_MS), ...NEVER_SWEEPS }, async (cluster) => {
    const ones = await manySubjects(cluster);
    const node = await cluster.start("stopping");
    cluster.simulator.setModes({ client_id: CLIENT_ID, modes: ["slow-2000ms"] });
    const asked = ones.map((one) => read(node, one));
    await until("all are in flight", () => (inFlight(cluster, ones) === ones.length ? true : null));
    node.signal("SIGTERM");
    expect(await node.ended()).toBe(0);
    await Promise.all(asked);
    expect(await outcomes(cluster, ones)).toEqual(ones.map(() => expect.objectContaining(SAVED)));
    totals.push(`${ones.length} in flight at SIGTERM, 0 left open`);
  });
});

it(`F16: a second SIGTERM ends it at once; ${IN_FLIGHT} answers that the database did not take come back from the disk`, async () => {
  await withCluster({ ...leases(LONG_LEASE_MS), ...NEVER_SWEEPS }, async (cluster) => {
    const ones = await manySubjects(cluster);
    const node = await cluster.start("stopping");
    // Every commit fails, as with a database that is away: the answers are in memory and on the disk.
    node.arm({ id: "down", at: 0, point: "store.transaction:before", action: "throw_always" });
    const asked = await Promise.all(ones.map((one) => read(node, one)));
    expect(asked.map((reply) => reply?.status)).toEqual(ones.map(() => 200));
    node.signal("SIGTERM");
    await stopsListening(node, ones);
    expect(node.hasEnded()).toBe(false);
    node.signal("SIGTERM");
    expect(await node.ended()).toBe(130);
    expect((await outcomes(cluster, ones)).filter(({ is_open }) => is_open)).toHaveLength(ones.length);
    await cluster.start("stopping");
    await until("all are committed", async () =>
      (await outcomes(cluster, ones)).every(({ is_open }) => !is_open) ? true : null,
    );
    expect(await outcomes(cluster, ones)).toEqual(ones.map(() => expect.objectContaining(SAVED)));
    totals.push(`${ones.length} on the disk at the second SIGTERM, all back`);
  });
});

const inFlight = (cluster: Cluster, ones: readonly Subject[]): number => {
  const grants = new Set(ones.map(({ grant_id }) => grant_id));
  return cluster.simulator
    .ledger()
    .requests.filter(
      ({ kind, grant_id, status }) =>
        kind === "refresh" && status === null && grant_id !== null && grants.has(grant_id),
    ).length;
};

async function stopsListening(node: Node, ones: readonly Subject[]): Promise<void> {
  const [one] = ones;
  if (one === undefined) return;
  await until("it takes no more requests", async () => ((await read(node, one)) === null ? true : null));
}

interface Held {
  readonly service: string;
  readonly client_id: string;
  /** What the network does with the request that it holds when its sender has died. */
  readonly modes: readonly string[];
  /** When it is sent again. */
  readonly again: "after the lease" | "at once";
  readonly expected: object;
}

const DROPPED_IN_THE_END = ["stall-3000ms", "drop-before"];
const DELIVERED_IN_THE_END = ["stall-3000ms"];
const HELD: readonly Held[] = [
  {
    service: "slack",
    client_id: "sim-rotate.held",
    modes: DROPPED_IN_THE_END,
    again: "after the lease",
    expected: { status: "active", requests: 2, exchanges: 1, refresh_token: "current", max_in_flight: 1, told: 0 },
  },
  {
    service: "github",
    client_id: "sim-rotate.held",
    modes: DELIVERED_IN_THE_END,
    again: "after the lease",
    // The answer died with its owner. One request more has to find that out, and was not sent while the first was out.
    expected: { status: "expired", requests: 2, exchanges: 1, max_in_flight: 1, told: 1, reason: UNKNOWN },
  },
  {
    service: "jira",
    client_id: "sim-ok.held",
    modes: DELIVERED_IN_THE_END,
    again: "at once",
    expected: { status: "active", requests: 2, refresh_token: "current", max_in_flight: 2, told: 0 },
  },
];

async function heldByNetwork(cluster: Cluster, { service, client_id, modes }: Held): Promise<object> {
  const owner = await cluster.start(service, NEVER_SWEEPS);
  const one = await subject(cluster, service, client_id);
  await expire(cluster, one);
  cluster.simulator.setModes({ client_id, modes });
  void read(owner, one);
  const sent_at = await until("it is sent", () => refreshesOf(cluster, one)[0]?.at ?? null);
  owner.signal("SIGKILL");
  await owner.ended();
  cluster.simulator.setModes({ client_id, modes: [] });
  const again_at = await until("it is sent again", () => refreshesOf(cluster, one)[1]?.at ?? null, SETTLED_MS);
  await until("nothing is held", () => (refreshesOf(cluster, one)[0]?.outcome === "pending" ? null : true));
  const outcome = await settled(cluster, one, { limit_ms: SETTLED_MS });
  const again = again_at - sent_at > LEASE_STRICT_MS - 1_000 ? "after the lease" : "at once";
  return { ...outcome, service, again, told: needsReconnect(outcome) };
}

it("F15b: a dead owner's request that is still in the network is waited for, if sending it twice does harm", async () => {
  await withCluster(SWEEPS_OFTEN, async (cluster) => {
    const found = await Promise.all(HELD.map((held) => heldByNetwork(cluster, held)));
    expect(found).toEqual(
      HELD.map(({ service, again, expected }) => expect.objectContaining({ service, again, ...expected })),
    );
    totals.push(`${HELD.length} requests held in the network`);
  });
});
