/**
 * A node stopped (SIGSTOP) in the middle of a refresh is not dead: it may hold the only response.
 * It is silent for twice its lease, then continues. Also a provider that takes eleven seconds to
 * respond.
 */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../../packages/server/test/support/postgres.ts";
import { sha256Hex } from "../../packages/server/src/core/secret.ts";
import { FULL, startCluster, type Cluster, type Node } from "./support/cluster.ts";
import { LEASE_MS, leases, NEVER_SWEEPS, SWEEPS_OFTEN } from "./support/cluster-lanes.ts";
import {
  CLASSES,
  expire,
  reconnectEvents,
  outcomeOf,
  read,
  refreshesOf,
  settledOutcome,
  createSubject,
  waitFor,
  type Rotation,
  type Subject,
} from "./support/outcome.ts";

const ROUNDS = FULL ? 5 : 1;
const READERS = 40;
const SERVICES: Readonly<Record<Rotation, { readonly service: string; readonly client_id: string }>> = {
  none: { service: "googlecalendar", client_id: "sim-ok.pause" },
  grace: { service: "jira", client_id: "sim-ok.pause" },
  strict: { service: "slack", client_id: "sim-rotate.pause" },
};
const RESUMED_WITHIN_MS = 10_000;
const LEASE_STRICT_MS = 3_500;
const STOPPED_MS = 2 * Math.max(LEASE_MS, LEASE_STRICT_MS);

let database: TestDatabase;
let cluster: Cluster;
let nodes: readonly Node[];
let rounds = 0;
let slow_database: TestDatabase;
let slow_replies: ReturnType<typeof readSlowly>;
let close_slow = (): Promise<void> => Promise.resolve();

beforeAll(async () => {
  database = await createDatabase();
  cluster = await startCluster({
    database,
    env: { ...leases(LEASE_STRICT_MS), ...SWEEPS_OFTEN, HOLDFAST_READER_WAIT_MS: "3000" },
  });
  nodes = [cluster.first, ...(await Promise.all(["second", "third"].map((name) => cluster.start(name))))];
  slow_database = await createDatabase();
  slow_replies = readSlowly();
  // Its own test reports a failure.
  void slow_replies.catch(() => {});
});

afterAll(async () => {
  console.info(`pause: ${rounds} refreshes through a stop or a slow response`);
  await slow_replies.catch(() => {});
  await close_slow();
  await cluster.close();
  await database.drop();
  await slow_database.drop();
});

// A test that fails in the middle must not leave a stopped node for the next one.
afterEach(() => {
  for (const node of nodes) node.signal("SIGCONT");
});

const nodeAt = (index: number): Node => nodes[index] ?? cluster.first;

/** Runs with real leases and deadlines, beside the other tests, because it mostly waits. */
async function readSlowly() {
  const slow = await startCluster({ database: slow_database, env: NEVER_SWEEPS });
  close_slow = () => slow.close();
  const all = [slow.first, ...(await Promise.all(["second", "third"].map((name) => slow.start(name))))];
  const subjects: Subject[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    subjects.push(await createSubject(slow, "slack", "sim-rotate+slow-11s"));
  for (const subject of subjects) await expire(slow, subject);
  return { slow, subjects, replies: await Promise.all(subjects.map((subject) => readAll(subject, all))) };
}

/** Reads from every node at once. */
async function readAll(subject: Subject, from: readonly Node[] = nodes, each = READERS) {
  return Promise.all(from.flatMap((node) => Array.from({ length: each }, () => read(node, subject))));
}

const tokensOf = (replies: Awaited<ReturnType<typeof readAll>>): ReadonlySet<string> =>
  new Set(replies.map((reply) => reply?.access_token ?? `none: ${reply?.status}`));

interface Paused {
  readonly rotation: Rotation;
  readonly subject: Subject;
  /** The token that still works. null if it has expired. */
  readonly old: string | null;
  /**
   * The tokens that other nodes served while the holder was stopped, and the number of requests
   * until its end.
   */
  readonly meanwhile: ReadonlySet<string>;
  readonly requests_meanwhile: number;
  readonly afterwards: ReadonlySet<string>;
}

/**
 * This token has not expired, but its API rejects it. The reader that reports it gets another, all
 * others keep it.
 */
const STILL_VALID = { service: "github", client_id: "sim-rotate.pause" };

/**
 * Starts refreshes on the holder: one connection of each class, and one more whose token still
 * works.
 */
async function heldBy(holder: Node): Promise<readonly { rotation: Rotation; subject: Subject; old: string | null }[]> {
  const held = [];
  for (const rotation of CLASSES) {
    const subject = await createSubject(cluster, SERVICES[rotation].service, SERVICES[rotation].client_id);
    await expire(cluster, subject);
    held.push({ rotation, subject, old: null });
  }
  const still_valid = await createSubject(cluster, STILL_VALID.service, STILL_VALID.client_id);
  const old = (await read(nodeAt(0), still_valid))?.access_token ?? "";
  held.push({ rotation: "strict" as const, subject: still_valid, old });
  for (const { subject } of held) cluster.simulator.setModes({ client_id: subject.client_id, modes: ["slow-1000ms"] });
  for (const { subject } of held) void read(holder, subject, sha256Hex(old));
  await Promise.all(
    held.map(({ subject }) =>
      waitFor(`${subject.service} has the request`, () => (refreshesOf(cluster, subject).length > 0 ? true : null)),
    ),
  );
  return held;
}

async function readThroughStop(): Promise<readonly Paused[]> {
  const holder = nodeAt(2);
  const others = [nodeAt(0), nodeAt(1)];
  const held = await heldBy(holder);
  holder.signal("SIGSTOP");
  const stopped_at = performance.now();
  // The responses arrive while it cannot read them.
  for (const { subject } of held) cluster.simulator.setModes({ client_id: subject.client_id, modes: [] });
  await waitFor("the stop has lasted", () => (performance.now() - stopped_at >= STOPPED_MS ? true : null));
  const meanwhile = await Promise.all(held.map(({ subject }) => readAll(subject, others, 5)));
  const requests_meanwhile = held.map(({ subject }) => refreshesOf(cluster, subject).length);
  holder.signal("SIGCONT");
  await Promise.all(held.map(({ subject }) => settledOutcome(cluster, subject, { limit_ms: RESUMED_WITHIN_MS })));
  rounds += held.length;
  return Promise.all(
    held.map(async ({ rotation, subject, old }, index) => ({
      rotation,
      subject,
      old,
      meanwhile: tokensOf(meanwhile[index] ?? []),
      requests_meanwhile: requests_meanwhile[index] ?? 0,
      afterwards: tokensOf(await readAll(subject, nodes, 5)),
    })),
  );
}

/** Returns comparable words for a paused refresh. */
async function summary({ rotation, subject, old, meanwhile, requests_meanwhile, afterwards }: Paused): Promise<object> {
  const outcome = await outcomeOf(cluster, subject);
  const [served] = meanwhile.size === 1 ? meanwhile : ["different replies"];
  const [token] = afterwards.size === 1 ? afterwards : ["different tokens"];
  return {
    rotation,
    meanwhile: served === token ? "the new token" : served === old ? "the old token" : served,
    requests_meanwhile,
    requests: outcome.requests,
    afterwards: token?.startsWith("none") || token === old ? token : "the new token",
    status: outcome.status,
    refresh_token: outcome.refresh_token,
    reconnects: reconnectEvents(outcome),
    families_revoked: outcome.families_revoked,
    revocations: outcome.revocations,
  };
}

/**
 * For every stopped holder: the provider accepts the stored token, and no user was asked to
 * reconnect.
 */
const UNHARMED = {
  afterwards: "the new token",
  status: "active",
  refresh_token: "current",
  reconnects: 0,
  families_revoked: 0,
  revocations: 0,
};
/**
 * Other nodes take over after the lease. The late response of the older attempt replaces nothing.
 */
const TAKEN_OVER = { ...UNHARMED, meanwhile: "the new token", requests_meanwhile: 2, requests: 2 };
/**
 * No other node may send it. Readers that can use the old token get it, the others get an error.
 */
const WAITED_FOR = { ...UNHARMED, requests_meanwhile: 1, requests: 1 };

for (let round = 1; round <= ROUNDS; round += 1) {
  it(
    `F12: a holder stopped after sending, for twice its lease, loses nothing, round ${round} of ${ROUNDS}`,
    { tags: "all" },
    async () => {
      expect(await Promise.all((await readThroughStop()).map(summary))).toEqual([
        { rotation: "none", ...TAKEN_OVER },
        { rotation: "grace", ...TAKEN_OVER },
        { rotation: "strict", ...WAITED_FOR, meanwhile: "none: 503" },
        { rotation: "strict", ...WAITED_FOR, meanwhile: "the old token" },
      ]);
    },
  );
}

it("F13: a holder stopped between claim and send sends nothing after it resumes", async () => {
  await Promise.all(
    CLASSES.map(async (rotation) => {
      const holder = await cluster.start(`holder-${rotation}`, NEVER_SWEEPS);
      const subject = await createSubject(cluster, SERVICES[rotation].service, SERVICES[rotation].client_id);
      await expire(cluster, subject);
      // Right before it checks its clock, which is right before the first byte.
      holder.arm({ id: "f13", at: 0, point: "oauth.refresh:send", action: "stop" });
      const reply = read(holder, subject);
      await waitFor("it stopped", () => (holder.passed("f13").some(({ fired }) => fired) ? true : null));
      expect(refreshesOf(cluster, subject)).toEqual([]);
      const stopped_at = performance.now();
      await waitFor("the stop has lasted", () => (performance.now() - stopped_at >= STOPPED_MS ? true : null));
      const taken_over = refreshesOf(cluster, subject).length;
      holder.signal("SIGCONT");
      await reply;
      await settledOutcome(cluster, subject, { limit_ms: RESUMED_WITHIN_MS });
      // One request in total: by another node after the lease, or with a new lease after the
      // stopped node gave up.
      expect(await outcomeOf(cluster, subject)).toMatchObject({
        status: "active",
        requests: 1,
        refresh_token: "current",
      });
      expect(taken_over).toBe(rotation === "strict" ? 0 : 1);
      rounds += 1;
    }),
  );
});

it(
  "F30: readers of all nodes wait for a response after eleven seconds, and one request is sent",
  { tags: "all" },
  async () => {
    const { replies, subjects, slow } = await slow_replies;
    for (const [index, subject] of subjects.entries()) {
      expect(tokensOf(replies[index] ?? []).size).toBe(1);
      expect((replies[index] ?? []).map((reply) => reply?.status)).toEqual((replies[index] ?? []).map(() => 200));
      expect(await outcomeOf(slow, subject)).toMatchObject({ requests: 1, exchanges: 1, refresh_token: "current" });
      rounds += 1;
    }
    expect(slow.simulator.ledger().families_revoked).toEqual([]);
  },
);
