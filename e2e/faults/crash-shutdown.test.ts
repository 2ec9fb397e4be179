/**
 * An orderly exit with refreshes in flight, and the exit of a process whose request is still in the
 * network. There the next process must know how long to wait.
 */
import { afterAll, expect, it } from "vitest";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { FULL, startCluster, type Cluster, type Node } from "./support/cluster.ts";
import { LEASE_STRICT_MS, leases, NEVER_SWEEPS, RECOVERED_WITHIN_MS, SWEEPS_OFTEN } from "./support/cluster-lanes.ts";
import {
  expire,
  reconnectEvents,
  outcomeOf,
  read,
  refreshesOf,
  settledOutcome,
  createSubject,
  waitFor,
  type Subject,
} from "./support/outcome.ts";

const IN_FLIGHT = FULL ? 100 : 20;
const SERVICE = "slack";
const CLIENT_ID = "sim-rotate.shutdown";
/** Long enough for a shutdown and a restart. */
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
  const subjects: Subject[] = [];
  for (let index = 0; index < IN_FLIGHT; index += 1) subjects.push(await createSubject(cluster, SERVICE, CLIENT_ID));
  for (const subject of subjects) await expire(cluster, subject);
  return subjects;
}

const outcomes = (cluster: Cluster, subjects: readonly Subject[]) =>
  Promise.all(subjects.map((subject) => outcomeOf(cluster, subject)));
const SAVED = { status: "active", is_open: false, requests: 1, exchanges: 1, refresh_token: "current" };

it(`F16: SIGTERM with ${IN_FLIGHT} refreshes in flight lets them finish, leaves no intent open, and exits with 0`, async () => {
  await withCluster({ ...leases(LONG_LEASE_MS), ...NEVER_SWEEPS }, async (cluster) => {
    const subjects = await manySubjects(cluster);
    const node = await cluster.start("stopping");
    cluster.simulator.setModes({ client_id: CLIENT_ID, modes: ["slow-2000ms"] });
    const replies = subjects.map((subject) => read(node, subject));
    await waitFor("all are in flight", () => (inFlight(cluster, subjects) === subjects.length ? true : null));
    node.signal("SIGTERM");
    expect(await node.ended()).toBe(0);
    await Promise.all(replies);
    expect(await outcomes(cluster, subjects)).toEqual(subjects.map(() => expect.objectContaining(SAVED)));
    totals.push(`${subjects.length} in flight at SIGTERM, 0 left open`);
  });
});

it(`F16: a second SIGTERM exits at once, and ${IN_FLIGHT} responses that the database did not store are recovered from the disk`, async () => {
  await withCluster({ ...leases(LONG_LEASE_MS), ...NEVER_SWEEPS }, async (cluster) => {
    const subjects = await manySubjects(cluster);
    const node = await cluster.start("stopping");
    // Every commit fails, as with an unreachable database. The responses are in memory and on the
    // disk.
    node.arm({ id: "down", at: 0, point: "store.transaction:before", action: "throw_always" });
    const replies = await Promise.all(subjects.map((subject) => read(node, subject)));
    expect(replies.map((reply) => reply?.status)).toEqual(subjects.map(() => 200));
    node.signal("SIGTERM");
    await stopsListening(node, subjects);
    expect(node.hasEnded()).toBe(false);
    node.signal("SIGTERM");
    expect(await node.ended()).toBe(130);
    expect((await outcomes(cluster, subjects)).filter(({ is_open }) => is_open)).toHaveLength(subjects.length);
    await cluster.start("stopping");
    await waitFor("all are committed", async () =>
      (await outcomes(cluster, subjects)).every(({ is_open }) => !is_open) ? true : null,
    );
    expect(await outcomes(cluster, subjects)).toEqual(subjects.map(() => expect.objectContaining(SAVED)));
    totals.push(`${subjects.length} on the disk at the second SIGTERM, all recovered`);
  });
});

const inFlight = (cluster: Cluster, subjects: readonly Subject[]): number => {
  const grants = new Set(subjects.map(({ grant_id }) => grant_id));
  return cluster.simulator
    .ledger()
    .requests.filter(
      ({ kind, grant_id, status }) =>
        kind === "refresh" && status === null && grant_id !== null && grants.has(grant_id),
    ).length;
};

async function stopsListening(node: Node, [subject]: readonly Subject[]): Promise<void> {
  if (subject === undefined) return;
  await waitFor("it accepts no more requests", async () => ((await read(node, subject)) === null ? true : null));
}

interface Held {
  readonly service: string;
  readonly client_id: string;
  /** What happens to the request in the network after its sender died. */
  readonly modes: readonly string[];
  /** When it is sent again. */
  readonly resent: "after the lease" | "immediately";
  readonly expected: object;
}

const DROPPED = ["stall-3000ms", "drop-before"];
const DELIVERED = ["stall-3000ms"];
const HELD: readonly Held[] = [
  {
    service: "slack",
    client_id: "sim-rotate.held",
    modes: DROPPED,
    resent: "after the lease",
    expected: {
      status: "active",
      requests: 2,
      exchanges: 1,
      refresh_token: "current",
      max_in_flight: 1,
      reconnects: 0,
    },
  },
  {
    service: "github",
    client_id: "sim-rotate.held",
    modes: DELIVERED,
    resent: "after the lease",
    // The response died with its owner. One more request finds that out, and is not sent while the
    // first is in flight.
    expected: { status: "expired", requests: 2, exchanges: 1, max_in_flight: 1, reconnects: 1, reason: UNKNOWN },
  },
  {
    service: "jira",
    client_id: "sim-ok.held",
    modes: DELIVERED,
    resent: "immediately",
    expected: { status: "active", requests: 2, refresh_token: "current", max_in_flight: 2, reconnects: 0 },
  },
];

async function heldByNetwork(cluster: Cluster, { service, client_id, modes }: Held): Promise<object> {
  const owner = await cluster.start(service, NEVER_SWEEPS);
  const subject = await createSubject(cluster, service, client_id);
  await expire(cluster, subject);
  cluster.simulator.setModes({ client_id, modes });
  void read(owner, subject);
  const sent_at = await waitFor("it is sent", () => refreshesOf(cluster, subject)[0]?.at ?? null);
  owner.signal("SIGKILL");
  await owner.ended();
  cluster.simulator.setModes({ client_id, modes: [] });
  const resent_at = await waitFor("it is sent again", () => refreshesOf(cluster, subject)[1]?.at ?? null, SETTLED_MS);
  await waitFor("nothing is held", () => (refreshesOf(cluster, subject)[0]?.outcome === "pending" ? null : true));
  const outcome = await settledOutcome(cluster, subject, { limit_ms: SETTLED_MS });
  const resent = resent_at - sent_at > LEASE_STRICT_MS - 1_000 ? "after the lease" : "immediately";
  return { ...outcome, service, resent, reconnects: reconnectEvents(outcome) };
}

it("F15b: waits for a dead owner's request that is still in the network, if sending it twice does harm", async () => {
  await withCluster(SWEEPS_OFTEN, async (cluster) => {
    const found = await Promise.all(HELD.map((held) => heldByNetwork(cluster, held)));
    expect(found).toEqual(
      HELD.map(({ service, resent, expected }) => expect.objectContaining({ service, resent, ...expected })),
    );
    totals.push(`${HELD.length} requests held in the network`);
  });
});
