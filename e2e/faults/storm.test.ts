/**
 * A thousand readers on each of three nodes find the same access token expired, again and again.
 * Its refresh token is single-use, and the provider ends the grant if it ever receives it twice.
 */
import { cpSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { sha256Hex } from "../../packages/server/src/core/secret.ts";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { startBalancer } from "./support/balancer.ts";
import { FULL, startCluster, type Cluster, type Node } from "./support/cluster.ts";
import { StartError } from "./support/cluster-process.ts";
import { createReaders, tally, type ReaderReply } from "./support/cluster-readers.ts";
import { LEASE_STRICT_MS, leases } from "./support/cluster-lanes.ts";
import { expire, outcomeOf, read, refreshesOf, createSubject, waitFor, type Subject } from "./support/outcome.ts";

const NODES = ["first", "second", "third"];
const READERS = FULL ? 1_000 : 200;
const ROUNDS = FULL ? 100 : 3;
/** Readers refresh here. A sweeper would refresh first. */
const ENV = {
  HOLDFAST_SWEEP_INTERVAL_MS: "600000",
  HOLDFAST_TOKEN_CACHE_ENTRIES: "1",
  HOLDFAST_PROVIDER_REQUESTS_PER_S: "1000",
  HOLDFAST_LOG_LEVEL: "error",
};
const SERVICE = "slack";
const CLIENT_ID = "sim-rotate+slow-30ms";

const totals: string[] = [];

afterAll(() => {
  console.info(`storm: ${totals.join("; ")}`);
});

/**
 * Expires the token for a round. The nodes' caches have room for one connection. Reading another
 * one evicts it, so each node reads it from the database again, with or without the change
 * notification.
 */
async function expireEverywhere(
  cluster: Cluster,
  nodes: readonly Node[],
  { subject, probe }: { readonly subject: Subject; readonly probe: Subject },
): Promise<void> {
  await expire(cluster, subject);
  for (const node of nodes) expect((await read(node, probe))?.status).toBe(200);
}

interface StormResult {
  readonly rounds: readonly ReadonlyMap<string, number>[];
  readonly attempts: readonly number[];
  readonly readers_per_s: number;
}

async function storm(
  cluster: Cluster,
  nodes: readonly Node[],
  at: { subject: Subject; probe: Subject; readAll: () => Promise<readonly ReaderReply[]> },
): Promise<StormResult> {
  const rounds: ReadonlyMap<string, number>[] = [];
  const attempts: number[] = [];
  let reading_ms = 0;
  let reads = 0;
  for (let round = 1; round <= ROUNDS; round += 1) {
    await expireEverywhere(cluster, nodes, at);
    const before = (await outcomeOf(cluster, at.subject)).attempts;
    const started_at = performance.now();
    const replies = await at.readAll();
    reading_ms += performance.now() - started_at;
    reads += replies.length;
    rounds.push(tally(replies));
    attempts.push((await outcomeOf(cluster, at.subject)).attempts - before);
  }
  return { rounds, attempts, readers_per_s: Math.round((reads * 1_000) / reading_ms) };
}

/**
 * Returns comparable words: the replies of each round, and the requests that the provider received.
 */
async function summary(cluster: Cluster, subject: Subject, { rounds, attempts }: StormResult): Promise<object> {
  const replies = rounds.flatMap((counts) => [...counts.keys()]);
  const { requests, exchanges, families_revoked, max_in_flight, refresh_token } = await outcomeOf(cluster, subject);
  return {
    readers: rounds.map((counts) => [...counts.values()]),
    refusals: replies.filter((reply) => /^\d+ /.test(reply)),
    different_tokens: new Set(replies).size,
    claims: attempts,
    requests,
    exchanges,
    families_revoked,
    max_in_flight,
    refresh_token,
  };
}

/**
 * One claim, one request and one token for all readers of a round, and another token in the next
 * round.
 */
const oneRefreshEach = (readers: number): object => ({
  readers: Array.from({ length: ROUNDS }, () => [readers]),
  refusals: [],
  different_tokens: ROUNDS,
  claims: Array.from({ length: ROUNDS }, () => 1),
  requests: ROUNDS,
  exchanges: ROUNDS,
  families_revoked: 0,
  max_in_flight: 1,
  refresh_token: "current",
});

it(`F1, F2: ${READERS} readers on each of three nodes, ${ROUNDS} times: one refresh each time, and no grant revoked`, async () => {
  const database = await createDatabase();
  const cluster = await startCluster({ database, env: ENV });
  try {
    const nodes = [cluster.first, ...(await Promise.all(NODES.slice(1).map((name) => cluster.start(name))))];
    const balancer = await startBalancer(nodes.map(({ port }) => port));
    const readers = await createReaders(balancer.server_url, READERS * nodes.length);
    const subject = await createSubject(cluster, SERVICE, CLIENT_ID);
    const probe = await createSubject(cluster, "notion", "sim-ok");
    const found = await storm(cluster, nodes, { subject, probe, readAll: () => readers.readAll(subject) });
    readers.close();
    expect(balancer.connections).toEqual(nodes.map(() => READERS));
    await balancer.close();
    expect(await summary(cluster, subject, found)).toEqual(oneRefreshEach(READERS * nodes.length));
    totals.push(
      `3 nodes x ${READERS} readers x ${ROUNDS} rounds, ${found.readers_per_s} readers/s, ${ROUNDS} refreshes`,
    );
  } finally {
    await cluster.close();
    await database.drop();
  }
});

it(
  `F1, F2: ${READERS} readers of one server on SQLite, ${ROUNDS} times: one refresh each time, and no grant revoked`,
  { tags: "all" },
  async () => {
    const cluster = await startCluster({ database: null, env: ENV });
    try {
      const readers = await createReaders(`http://127.0.0.1:${cluster.first.port}`, READERS);
      const subject = await createSubject(cluster, SERVICE, CLIENT_ID);
      const probe = await createSubject(cluster, "notion", "sim-ok");
      const found = await storm(cluster, [cluster.first], { subject, probe, readAll: () => readers.readAll(subject) });
      readers.close();
      expect(await summary(cluster, subject, found)).toEqual(oneRefreshEach(READERS));
      totals.push(
        `SQLite x ${READERS} readers x ${ROUNDS} rounds, ${found.readers_per_s} readers/s, ${ROUNDS} refreshes`,
      );
    } finally {
      await cluster.close();
    }
  },
);

it("F14: a second server on the same SQLite file refuses to start, with exit code 75", async () => {
  const cluster = await startCluster({ database: null, env: ENV });
  try {
    const second = await cluster.start("second", {}, cluster.first.data_dir).then(
      () => null,
      (error: unknown) => error,
    );
    expect(second).toBeInstanceOf(StartError);
    expect(second).toMatchObject({ exit_code: 75 });
  } finally {
    await cluster.close();
  }
});

it(
  "F14: two nodes with the same data directory, as of a cloned machine, are two nodes: one refresh, one lease at a time",
  { tags: "all" },
  async () => {
    const database = await createDatabase();
    const cluster = await startCluster({ database, env: { ...ENV, ...leases(LEASE_STRICT_MS) } });
    try {
      const original = await cluster.start("original");
      cpSync(original.data_dir, cluster.dataDir("copy"), { recursive: true });
      const copy = await cluster.start("copy");
      const subject = await createSubject(cluster, SERVICE, CLIENT_ID);
      await expire(cluster, subject);
      const readers = await Promise.all([original, copy].map(({ server_url }) => createReaders(server_url, 50)));
      const replies = await Promise.all(readers.map((group) => group.readAll(subject)));
      for (const group of readers) group.close();
      expect(tally(replies.flat())).toEqual(new Map([[replies[0]?.[0]?.access_token, 100]]));
      expect(await outcomeOf(cluster, subject)).toMatchObject({ requests: 1, attempts: 1, refresh_token: "current" });
      // The copy dies. The original must not count as dead, nor its leases as the copy's.
      await expire(cluster, subject);
      copy.arm({ id: "copy", at: 0, point: "oauth.refresh:send", action: "kill" });
      await read(copy, subject);
      expect(await copy.ended()).toBeNull();
      await waitFor("the original refreshes", async () =>
        (await read(original, subject))?.status === 200 ? true : null,
      );
      expect(await outcomeOf(cluster, subject)).toMatchObject({
        requests: 2,
        attempts: 3,
        families_revoked: 0,
        max_in_flight: 1,
      });
    } finally {
      await cluster.close();
      await database.drop();
    }
  },
);

it(
  "F3, F15: refreshes a rejected token once for 50 callers of three nodes, one of which has a stale cache, and then no more",
  { tags: "all" },
  async () => {
    const database = await createDatabase();
    const cluster = await startCluster({ database, env: ENV });
    try {
      const nodes = [cluster.first, ...(await Promise.all(NODES.slice(1).map((name) => cluster.start(name))))];
      const subject = await createSubject(cluster, SERVICE, CLIENT_ID);
      const [old] = await Promise.all(nodes.map((node) => read(node, subject)));
      const rejected = sha256Hex(old?.access_token ?? "");
      const [first, second, third] = await Promise.all(nodes.map(({ server_url }) => createReaders(server_url, 25)));
      if (first === undefined || second === undefined || third === undefined) throw new Error("A node is missing.");
      // It receives no notification: its cache keeps the generation that the others replace.
      nodes[2]?.signal("SIGSTOP");
      const replies = [await Promise.all([first.readAll(subject, rejected), second.readAll(subject, rejected)])].flat(
        2,
      );
      nodes[2]?.signal("SIGCONT");
      replies.push(...(await third.readAll(subject, rejected)));
      expect(tally(replies)).toEqual(new Map([[replies[0]?.access_token, 75]]));
      expect(replies[0]?.access_token).not.toBe(old?.access_token);
      expect(refreshesOf(cluster, subject)).toHaveLength(1);

      const again = sha256Hex(replies[0]?.access_token ?? "");
      const refused = (await Promise.all([first, second, third].map((group) => group.readAll(subject, again)))).flat();
      expect(tally(refused)).toEqual(new Map([["429 refresh_too_soon", 75]]));
      expect(refreshesOf(cluster, subject)).toHaveLength(1);
      for (const group of [first, second, third]) group.close();
    } finally {
      await cluster.close();
      await database.drop();
    }
  },
);
