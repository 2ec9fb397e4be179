/**
 * A thousand readers on each of three nodes, all of whom find the same single-use refresh token's access token expired, over
 * and over. The provider ends the grant if that refresh token ever comes twice.
 */
import { cpSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { sha256Hex } from "../../packages/server/src/core/secret.ts";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { startBalancer } from "./support/balancer.ts";
import { FULL, startCluster, type Cluster, type Node } from "./support/cluster.ts";
import { StartError } from "./support/cluster-process.ts";
import { createReaders, tally, type Answer } from "./support/cluster-readers.ts";
import { LEASE_STRICT_MS, leases } from "./support/cluster-lanes.ts";
import { expire, outcomeOf, read, refreshesOf, subject, until, type Subject } from "./support/outcome.ts";

const NODES = ["first", "second", "third"];
const READERS = FULL ? 1_000 : 200;
const ROUNDS = FULL ? 100 : 3;
/** Readers refresh here; a sweeper would be faster than they are. */
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
 * A round's expiry. The nodes' caches have room for one connection: after another one was read, this one is read from the
 * database again, whether a node has heard of the change already or not.
 */
async function expireEverywhere(
  cluster: Cluster,
  nodes: readonly Node[],
  { one, probe }: { readonly one: Subject; readonly probe: Subject },
): Promise<void> {
  await expire(cluster, one);
  for (const node of nodes) expect((await read(node, probe))?.status).toBe(200);
}

interface Stormed {
  readonly rounds: readonly ReadonlyMap<string, number>[];
  readonly attempts: readonly number[];
  readonly readers_per_s: number;
}

async function storm(
  cluster: Cluster,
  nodes: readonly Node[],
  at: { one: Subject; probe: Subject; ask: () => Promise<readonly Answer[]> },
): Promise<Stormed> {
  const rounds: ReadonlyMap<string, number>[] = [];
  const attempts: number[] = [];
  let asking_ms = 0;
  let asked = 0;
  for (let round = 1; round <= ROUNDS; round += 1) {
    await expireEverywhere(cluster, nodes, at);
    const before = (await outcomeOf(cluster, at.one)).attempts;
    const started_at = performance.now();
    const answers = await at.ask();
    asking_ms += performance.now() - started_at;
    asked += answers.length;
    rounds.push(tally(answers));
    attempts.push((await outcomeOf(cluster, at.one)).attempts - before);
  }
  return { rounds, attempts, readers_per_s: Math.round((asked * 1_000) / asking_ms) };
}

/** In words, for comparing: what each round gave everybody, and what the provider saw of it. */
async function summary(cluster: Cluster, one: Subject, { rounds, attempts }: Stormed): Promise<object> {
  const answers = rounds.flatMap((counts) => [...counts.keys()]);
  const { requests, exchanges, families_revoked, max_in_flight, refresh_token } = await outcomeOf(cluster, one);
  return {
    readers: rounds.map((counts) => [...counts.values()]),
    refusals: answers.filter((answer) => /^\d+ /.test(answer)),
    different_tokens: new Set(answers).size,
    claims: attempts,
    requests,
    exchanges,
    families_revoked,
    max_in_flight,
    refresh_token,
  };
}

/** One claim, one request and one token for everybody in each round, and another token in the next. */
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

it(`F1 F2: ${READERS} readers on each of three nodes, ${ROUNDS} times: one refresh each time, and no grant revoked`, async () => {
  const database = await createDatabase();
  const cluster = await startCluster({ database, env: ENV });
  try {
    const nodes = [cluster.first, ...(await Promise.all(NODES.slice(1).map((name) => cluster.start(name))))];
    const balancer = await startBalancer(nodes.map(({ port }) => port));
    const readers = await createReaders(balancer.server_url, READERS * nodes.length);
    const one = await subject(cluster, SERVICE, CLIENT_ID);
    const probe = await subject(cluster, "notion", "sim-ok");
    const found = await storm(cluster, nodes, { one, probe, ask: () => readers.ask(one) });
    readers.close();
    expect(balancer.connections).toEqual(nodes.map(() => READERS));
    await balancer.close();
    expect(await summary(cluster, one, found)).toEqual(oneRefreshEach(READERS * nodes.length));
    totals.push(
      `3 nodes x ${READERS} readers x ${ROUNDS} rounds, ${found.readers_per_s} readers/s, ${ROUNDS} refreshes`,
    );
  } finally {
    await cluster.close();
    await database.drop();
  }
});

it(
  `F1 F2: ${READERS} readers of one server on SQLite, ${ROUNDS} times: one refresh each time, and no grant revoked`,
  { tags: "all" },
  async () => {
    const cluster = await startCluster({ database: null, env: ENV });
    try {
      const readers = await createReaders(`http://127.0.0.1:${cluster.first.port}`, READERS);
      const one = await subject(cluster, SERVICE, CLIENT_ID);
      const probe = await subject(cluster, "notion", "sim-ok");
      const found = await storm(cluster, [cluster.first], { one, probe, ask: () => readers.ask(one) });
      readers.close();
      expect(await summary(cluster, one, found)).toEqual(oneRefreshEach(READERS));
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
  "F14: two nodes with the same data directory, as of a copied machine, are two: one refresh, one lease at a time",
  { tags: "all" },
  async () => {
    const database = await createDatabase();
    const cluster = await startCluster({ database, env: { ...ENV, ...leases(LEASE_STRICT_MS) } });
    try {
      const original = await cluster.start("original");
      cpSync(original.data_dir, cluster.dataDir("copy"), { recursive: true });
      const copy = await cluster.start("copy");
      const one = await subject(cluster, SERVICE, CLIENT_ID);
      await expire(cluster, one);
      const readers = await Promise.all([original, copy].map(({ server_url }) => createReaders(server_url, 50)));
      const answers = await Promise.all(readers.map((some) => some.ask(one)));
      for (const some of readers) some.close();
      expect(tally(answers.flat())).toEqual(new Map([[answers[0]?.[0]?.access_token, 100]]));
      expect(await outcomeOf(cluster, one)).toMatchObject({ requests: 1, attempts: 1, refresh_token: "current" });
      // The one is dead; the other must not be taken for it, nor its leases for the dead one's.
      await expire(cluster, one);
      copy.arm({ id: "copy", at: 0, point: "oauth.refresh:send", action: "kill" });
      await read(copy, one);
      expect(await copy.ended()).toBeNull();
      await until("the original refreshes", async () => ((await read(original, one))?.status === 200 ? true : null));
      expect(await outcomeOf(cluster, one)).toMatchObject({
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
  "F3 F15: a rejected token is refreshed once for 50 callers of three nodes, one of whose caches is old; then no more",
  { tags: "all" },
  async () => {
    const database = await createDatabase();
    const cluster = await startCluster({ database, env: ENV });
    try {
      const nodes = [cluster.first, ...(await Promise.all(NODES.slice(1).map((name) => cluster.start(name))))];
      const one = await subject(cluster, SERVICE, CLIENT_ID);
      const [old] = await Promise.all(nodes.map((node) => read(node, one)));
      const rejected = sha256Hex(old?.access_token ?? "");
      const [first, second, third] = await Promise.all(nodes.map(({ server_url }) => createReaders(server_url, 25)));
      if (first === undefined || second === undefined || third === undefined)
        throw new Error("The nodes are not there.");
      // It hears of nothing: its cache keeps the generation that the others move on from.
      nodes[2]?.signal("SIGSTOP");
      const answers = [await Promise.all([first.ask(one, rejected), second.ask(one, rejected)])].flat(2);
      nodes[2]?.signal("SIGCONT");
      answers.push(...(await third.ask(one, rejected)));
      expect(tally(answers)).toEqual(new Map([[answers[0]?.access_token, 75]]));
      expect(answers[0]?.access_token).not.toBe(old?.access_token);
      expect(refreshesOf(cluster, one)).toHaveLength(1);

      const again = sha256Hex(answers[0]?.access_token ?? "");
      const refused = (await Promise.all([first, second, third].map((some) => some.ask(one, again)))).flat();
      expect(tally(refused)).toEqual(new Map([["429 refresh_too_soon", 75]]));
      expect(refreshesOf(cluster, one)).toHaveLength(1);
      for (const some of [first, second, third]) some.close();
    } finally {
      await cluster.close();
      await database.drop();
    }
  },
);
