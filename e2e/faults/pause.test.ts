/**
 * A node that is stopped (SIGSTOP) in the middle of a refresh is not dead: it may hold the only answer. For twice its lease
 * it says nothing, then it goes on as if nothing had been. And a provider that takes eleven seconds to answer.
 */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../../packages/server/test/support/postgres.ts";
import { sha256Hex } from "../../packages/server/src/core/secret.ts";
import { FULL, startCluster, type Cluster, type Node } from "./support/cluster.ts";
import { LEASE_MS, leases, NEVER_SWEEPS, SWEEPS_OFTEN } from "./support/cluster-lanes.ts";
import {
  CLASSES,
  expire,
  needsReconnect,
  outcomeOf,
  read,
  refreshesOf,
  settled,
  subject,
  until,
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
let slow_answers: ReturnType<typeof slowAnswers>;
let close_slow = (): Promise<void> => Promise.resolve();

beforeAll(async () => {
  database = await createDatabase();
  cluster = await startCluster({
    database,
    env: { ...leases(LEASE_STRICT_MS), ...SWEEPS_OFTEN, HOLDFAST_READER_WAIT_MS: "3000" },
  });
  nodes = [cluster.first, ...(await Promise.all(["second", "third"].map((name) => cluster.start(name))))];
  slow_database = await createDatabase();
  slow_answers = slowAnswers();
  // Its own test hears of it.
  slow_answers.catch(() => {});
});

afterAll(async () => {
  console.info(`pause: ${rounds} refreshes through a stop or a slow answer`);
  await slow_answers.catch(() => {});
  await close_slow();
  await cluster.close();
  await database.drop();
  await slow_database.drop();
});

// A test that failed in the middle must not leave the next one a stopped node.
afterEach(() => {
  for (const node of nodes) node.signal("SIGCONT");
});

const nodeAt = (index: number): Node => nodes[index] ?? cluster.first;

/** With the leases and deadlines of a real installation, beside the other tests: it is all waiting. */
async function slowAnswers() {
  const slow = await startCluster({ database: slow_database, env: NEVER_SWEEPS });
  close_slow = () => slow.close();
  const all = [slow.first, ...(await Promise.all(["second", "third"].map((name) => slow.start(name))))];
  const ones: Subject[] = [];
  for (let round = 0; round < ROUNDS; round += 1) ones.push(await subject(slow, "slack", "sim-rotate+slow-11s"));
  for (const one of ones) await expire(slow, one);
  return { slow, ones, replies: await Promise.all(ones.map((one) => readAll(one, all))) };
}

/** Everybody, on every node, at once. */
async function readAll(one: Subject, from: readonly Node[] = nodes, each = READERS) {
  return Promise.all(from.flatMap((node) => Array.from({ length: each }, () => read(node, one))));
}

const tokensOf = (replies: Awaited<ReturnType<typeof readAll>>): ReadonlySet<string> =>
  new Set(replies.map((reply) => reply?.access_token ?? `none: ${reply?.status}`));

interface Paused {
  readonly rotation: Rotation;
  readonly one: Subject;
  /** The token that still works; null when it is over. */
  readonly old: string | null;
  /** What the others were given while the holder was stopped, and how many requests there were until its end. */
  readonly meanwhile: ReadonlySet<string>;
  readonly requests_meanwhile: number;
  readonly afterwards: ReadonlySet<string>;
}

/** Nothing of it is over, but its API refuses it: the one reader that says so gets another, and all others keep it. */
const STILL_GOOD = { service: "github", client_id: "sim-rotate.pause" };

/** One connection of each class, and one more whose token still works, all being refreshed by the holder. */
async function heldBy(holder: Node): Promise<readonly { rotation: Rotation; one: Subject; old: string | null }[]> {
  const held = [];
  for (const rotation of CLASSES) {
    const one = await subject(cluster, SERVICES[rotation].service, SERVICES[rotation].client_id);
    await expire(cluster, one);
    held.push({ rotation, one, old: null });
  }
  const still_good = await subject(cluster, STILL_GOOD.service, STILL_GOOD.client_id);
  const old = (await read(nodeAt(0), still_good))?.access_token ?? "";
  held.push({ rotation: "strict" as const, one: still_good, old });
  for (const { one } of held) cluster.simulator.setModes({ client_id: one.client_id, modes: ["slow-1000ms"] });
  for (const { one } of held) void read(holder, one, sha256Hex(old));
  await Promise.all(
    held.map(({ one }) =>
      until(`${one.service} has the request`, () => (refreshesOf(cluster, one).length > 0 ? true : null)),
    ),
  );
  return held;
}

async function stopped(): Promise<readonly Paused[]> {
  const holder = nodeAt(2);
  const others = [nodeAt(0), nodeAt(1)];
  const held = await heldBy(holder);
  holder.signal("SIGSTOP");
  const stopped_at = performance.now();
  // Its answers come while it cannot take them.
  for (const { one } of held) cluster.simulator.setModes({ client_id: one.client_id, modes: [] });
  await until("the stop is over", () => (performance.now() - stopped_at >= STOPPED_MS ? true : null));
  const meanwhile = await Promise.all(held.map(({ one }) => readAll(one, others, 5)));
  const requests_meanwhile = held.map(({ one }) => refreshesOf(cluster, one).length);
  holder.signal("SIGCONT");
  await Promise.all(held.map(({ one }) => settled(cluster, one, { limit_ms: RESUMED_WITHIN_MS })));
  rounds += held.length;
  return Promise.all(
    held.map(async ({ rotation, one, old }, index) => ({
      rotation,
      one,
      old,
      meanwhile: tokensOf(meanwhile[index] ?? []),
      requests_meanwhile: requests_meanwhile[index] ?? 0,
      afterwards: tokensOf(await readAll(one, nodes, 5)),
    })),
  );
}

/** In words, for comparing. */
async function summary({ rotation, one, old, meanwhile, requests_meanwhile, afterwards }: Paused): Promise<object> {
  const outcome = await outcomeOf(cluster, one);
  const [given] = meanwhile.size === 1 ? meanwhile : ["different things"];
  const [token] = afterwards.size === 1 ? afterwards : ["different tokens"];
  return {
    rotation,
    meanwhile: given === token ? "the new token" : given === old ? "the old token" : given,
    requests_meanwhile,
    requests: outcome.requests,
    afterwards: token?.startsWith("none") || token === old ? token : "the new token",
    status: outcome.status,
    refresh_token: outcome.refresh_token,
    told: needsReconnect(outcome),
    families_revoked: outcome.families_revoked,
    revocations: outcome.revocations,
  };
}

/** Whoever was stopped. What is stored is what the provider honours, and nobody was told anything. */
const UNHARMED = {
  afterwards: "the new token",
  status: "active",
  refresh_token: "current",
  told: 0,
  families_revoked: 0,
  revocations: 0,
};
/** The others take over after the lease; the late answer of the older attempt replaces nothing. */
const TAKEN_OVER = { ...UNHARMED, meanwhile: "the new token", requests_meanwhile: 2, requests: 2 };
/** Nobody else may send it. Who can do with the old token gets it; there is nothing else to give. */
const WAITED_FOR = { ...UNHARMED, requests_meanwhile: 1, requests: 1 };

for (let round = 1; round <= ROUNDS; round += 1) {
  it(
    `F12: a holder stopped after the send for twice its lease loses nothing, round ${round} of ${ROUNDS}`,
    { tags: "all" },
    async () => {
      expect(await Promise.all((await stopped()).map(summary))).toEqual([
        { rotation: "none", ...TAKEN_OVER },
        { rotation: "grace", ...TAKEN_OVER },
        { rotation: "strict", ...WAITED_FOR, meanwhile: "none: 503" },
        { rotation: "strict", ...WAITED_FOR, meanwhile: "the old token" },
      ]);
    },
  );
}

it("F13: a holder stopped between claim and send sends nothing when it comes back", async () => {
  await Promise.all(
    CLASSES.map(async (rotation) => {
      const holder = await cluster.start(`holder-${rotation}`, NEVER_SWEEPS);
      const one = await subject(cluster, SERVICES[rotation].service, SERVICES[rotation].client_id);
      await expire(cluster, one);
      // Right before its clock is looked at, which is right before the first byte.
      holder.arm({ id: "f13", at: 0, point: "oauth.refresh:send", action: "stop" });
      const asked = read(holder, one);
      await until("it stopped", () => (holder.passed("f13").some(({ fired }) => fired) ? true : null));
      expect(refreshesOf(cluster, one)).toEqual([]);
      const stopped_at = performance.now();
      await until("the stop is over", () => (performance.now() - stopped_at >= STOPPED_MS ? true : null));
      const taken_over = refreshesOf(cluster, one).length;
      holder.signal("SIGCONT");
      await asked;
      await settled(cluster, one, { limit_ms: RESUMED_WITHIN_MS });
      // One in all: by another node after the lease, or anew, with a lease of its own, after the stopped one gave up.
      expect(await outcomeOf(cluster, one)).toMatchObject({ status: "active", requests: 1, refresh_token: "current" });
      expect(taken_over).toBe(rotation === "strict" ? 0 : 1);
      rounds += 1;
    }),
  );
});

it(
  "F30: an answer after eleven seconds is waited for by readers of all nodes, and asked for once",
  { tags: "all" },
  async () => {
    const { replies, ones, slow } = await slow_answers;
    for (const [index, one] of ones.entries()) {
      expect(tokensOf(replies[index] ?? []).size).toBe(1);
      expect((replies[index] ?? []).map((reply) => reply?.status)).toEqual((replies[index] ?? []).map(() => 200));
      expect(await outcomeOf(slow, one)).toMatchObject({ requests: 1, exchanges: 1, refresh_token: "current" });
      rounds += 1;
    }
    expect(slow.simulator.ledger().families_revoked).toEqual([]);
  },
);
