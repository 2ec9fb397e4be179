/**
 * The database fails a node that holds a provider's response:
 *
 * - F18: it dies after the request was sent.
 * - F19: the outcome of the commit is unknown.
 * - F20: a replica without the last commit takes over.
 * - F27: one node is cut off.
 *
 * The provider gets one request, its response is served, and it
 * ends up stored.
 */
import type { Simulator } from "@holdfast/simulator";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../../packages/server/test/support/postgres.ts";
import { startSimulated, type App } from "../support/server.ts";
import {
  readToken,
  connectedApp,
  eventually,
  expire,
  FULL,
  storedTokenStatus,
  portOf,
  refreshes,
  waitForRefreshes,
  startNode,
  startReaders,
  storedConnection,
  withPort,
  type TimedReply,
  type Environment,
  type Node,
} from "./support/postgres-server-nodes.ts";
import { startTcpProxy, type TcpProxy } from "./support/tcp-proxy.ts";

interface Scene {
  readonly database: TestDatabase;
  readonly proxy: TcpProxy;
  readonly simulator: Simulator;
  readonly node: Node;
  readonly app: App;
}

/**
 * github's refresh token is single-use. Its response comes half a second after the token was used.
 */
async function prepare(env: Environment = {}): Promise<Scene> {
  const database = await createDatabase();
  const proxy = await startTcpProxy(portOf(database.url));
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, withPort(database.url, proxy.port), env);
  const app = await connectedApp(node, { github: "sim-rotate+slow-500ms" });
  return { database, proxy, simulator, node, app };
}

interface Round {
  /** Generation of the stored tokens before the refresh. */
  readonly generation: number;
  /**
   * The reply to the reader whose request started the refresh. Created when the provider has
   * received it.
   */
  readonly first: Promise<TimedReply>;
  /**
   * Expects one refresh, one more generation, nothing open, and a stored token that the provider
   * accepts.
   */
  settledOnce(): Promise<void>;
}

/**
 * Starts the reader that causes the provider's `count`th refresh in total. If only the reply to a
 * commit was lost, the node does not know yet that its last response is stored. It serves that one
 * until its next try.
 */
async function readerThatRefreshes(
  { simulator, node, app }: Scene,
  count: number,
): Promise<{ readonly first: Promise<TimedReply> }> {
  return eventually("The refresh was sent", 5_000, async () => {
    const first = readToken(node, app, "github");
    const replied = first.then(() => true as const);
    while (refreshes(simulator).length < count) {
      if ((await Promise.race([replied, delay(25)])) === true) return null;
    }
    return { first };
  });
}

/** Expires the token, and starts a reader whose refresh reaches the provider after `before`. */
async function startRound(scene: Scene, before: () => Promise<void> = () => Promise.resolve()): Promise<Round> {
  const { database, simulator, node, app } = scene;
  await expire(database, "github");
  const { generation } = await storedConnection(database, "github");
  const count = refreshes(simulator).length;
  await before();
  const { first } = await readerThatRefreshes(scene, count + 1);
  return {
    generation,
    first,
    async settledOnce() {
      await eventually("The commit", 10_000, async () => {
        const row = await storedConnection(database, "github");
        return row.generation > generation && !row.is_open ? row : null;
      });
      const { access_token } = await first;
      // Until the node checks the database again, it may refuse a reader once.
      const reader = await eventually("A reader's reply", 3_000, async () => {
        const reply = await readToken(node, app, "github");
        return reply.status === 200 ? reply : null;
      });
      expect(reader.access_token).toBe(access_token);
      expect(await storedConnection(database, "github")).toMatchObject({
        status: "active",
        generation: generation + 1,
      });
      expect(refreshes(simulator)).toHaveLength(count + 1);
      expect(await storedTokenStatus(node, app, "github", simulator)).toBe("current");
      expect(simulator.ledger().families_revoked).toEqual([]);
    },
  };
}

/** Expects the token for twenty readers in a row. */
async function servesAll({ node, app }: Scene, access_token: string | null): Promise<void> {
  for (let reads = 0; reads < 20; reads += 1)
    expect(await readToken(node, app, "github")).toMatchObject({ status: 200, access_token });
}

const ROUNDS = Array.from({ length: FULL ? 5 : 1 }, (_, round) => round + 1);

it("F18: serves the response from memory when the database died after the request, and commits it when the database is back, even after a kill", async () => {
  const scene = await prepare();
  const { proxy, node } = scene;
  for (const kills of ROUNDS.flatMap(() => [false, true])) {
    const { first, settledOnce } = await startRound(scene);
    await proxy.break({ kind: "refuse" });
    const { status, access_token } = await first;
    expect(status).toBe(200);
    if (kills) await node.kill();
    else {
      await servesAll(scene, access_token);
    }
    await proxy.heal();
    if (kills) await node.restart();
    await settledOnce();
  }
  await scene.database.drop();
});

it("F18: replies to every reader while the database comes back", async () => {
  const scene = await prepare();
  const { proxy, node, app, database } = scene;
  const { first, settledOnce } = await startRound(scene);
  await proxy.break({ kind: "refuse" });
  const { access_token } = await first;
  expect(await readToken(node, app, "github")).toMatchObject({ status: 200, access_token });
  await proxy.heal();
  await eventually("The commit", 10_000, async () =>
    (await storedConnection(database, "github")).is_open ? null : true,
  );
  // The node no longer holds the response, and the database is back. No reader may find neither.
  await servesAll(scene, access_token);
  await settledOnce();
  await scene.database.drop();
});

/** Matches only the transaction that stores the response, and the one that claims. */
const COMMIT_OF_ANSWER = /update "connections" set [^;]*"sealed_access"[\s\S]*commit\0/;
const COMMIT_OF_CLAIM = /update "connections" set [^;]*"intent_at"[\s\S]*commit\0/;

it("F19: stores a response once and sends nothing again when the connection breaks at COMMIT, before or after the database ran it", async () => {
  const scene = await prepare();
  const { proxy } = scene;
  for (const server_gets_it of ROUNDS.flatMap(() => [true, false])) {
    const { first, settledOnce } = await startRound(scene);
    await proxy.break({ kind: "cut_at", pattern: COMMIT_OF_ANSWER, server_gets_it });
    await proxy.triggered();
    expect((await first).status).toBe(200);
    await settledOnce();
  }
  await scene.database.drop();
});

it("F19: sends once, and only after the claim is known to be stored, when the connection breaks at the claim's COMMIT", async () => {
  const scene = await prepare();
  const { proxy, simulator, node, app, database } = scene;
  for (const server_gets_it of ROUNDS.flatMap(() => [true, false])) {
    await expire(database, "github");
    const { generation } = await storedConnection(database, "github");
    const count = refreshes(simulator).length;
    await proxy.break({ kind: "cut_at", pattern: COMMIT_OF_CLAIM, server_gets_it });
    const reading = readToken(node, app, "github");
    await proxy.triggered();
    expect(refreshes(simulator)).toHaveLength(count);
    expect([200, 503]).toContain((await reading).status);
    await eventually("A token", 10_000, async () =>
      (await readToken(node, app, "github")).status === 200 ? true : null,
    );
    expect(refreshes(simulator)).toHaveLength(count + 1);
    expect(await storedConnection(database, "github")).toMatchObject({ generation: generation + 1, is_open: false });
    expect(simulator.ledger().families_revoked).toEqual([]);
  }
  await database.drop();
});

it("F20: stores the response again, and sends nothing, when a replica takes over that lacks it, or lacks the claim, too", async () => {
  const scene = await prepare();
  const { database, proxy, node, app } = scene;
  for (const misses_claim of ROUNDS.flatMap(() => [true, false])) {
    const { generation, first, settledOnce } = await startRound(scene, () =>
      misses_claim ? copy(database) : nothing(),
    );
    if (!misses_claim) await copy(database);
    const { access_token } = await first;
    await settledOnce();

    await proxy.break({ kind: "refuse" });
    await takeOver(database);
    expect((await storedConnection(database, "github")).generation).toBe(generation);
    await proxy.heal();
    // These arrive while the node repairs, or before. The replica's token is old and expired.
    const readers = await Promise.all(Array.from({ length: 20 }, () => readToken(node, app, "github")));
    for (const reader of readers)
      expect([`200 ${access_token}`, "503 null"]).toContain(`${reader.status} ${reader.access_token}`);
    await settledOnce();
  }
  await database.drop();
});

const nothing = (): Promise<void> => Promise.resolve();

/** Copies the connections as they are now, like a replica that lags behind. */
async function copy({ query }: TestDatabase): Promise<void> {
  await query("drop table if exists copied");
  await query("create table copied as table connections");
}

async function takeOver({ query }: TestDatabase): Promise<void> {
  await query("delete from connections");
  await query("insert into connections select * from copied");
}

/** Short enough that the node gives up its own connections while it is cut off. */
const IMPATIENT: Environment = {
  HOLDFAST_DATABASE_STATEMENT_TIMEOUT_MS: "1000",
  HOLDFAST_DATABASE_CONNECT_TIMEOUT_MS: "1000",
  HOLDFAST_READER_WAIT_MS: "5000",
};

/** Most sends of a refresh token, by service: github's is single-use, Google's does not rotate. */
const MOST_SENDS = { github: 1, googlecalendar: 2 } as const;
const CUT_OFF_SERVICES = ["github", "googlecalendar"] as const;

it("F27: when a node is cut off from the database with its requests in flight, a single-use token is sent once, a token that does not rotate at most twice, and all nodes agree on one token", async () => {
  const database = await createDatabase();
  const proxy = await startTcpProxy(portOf(database.url));
  const simulator = await startSimulated();
  const cut_off = await startNode(simulator.url, withPort(database.url, proxy.port), IMPATIENT);
  const other = await startNode(simulator.url, database.url, IMPATIENT);
  const app = await connectedApp(cut_off, { github: "sim-rotate+slow-500ms", googlecalendar: "sim-slow-500ms" });
  for (const service of CUT_OFF_SERVICES) await expire(database, service);
  const waiting = CUT_OFF_SERVICES.map((service) => readToken(cut_off, app, service));
  await waitForRefreshes(simulator, CUT_OFF_SERVICES.length);
  await proxy.break({ kind: "hold" });
  // Waits past the lease of the node that is cut off.
  const meanwhile = CUT_OFF_SERVICES.map((service) => readToken(other, app, service));
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200]);
  const [github, google] = (await Promise.all(meanwhile)).map(({ status, code }) => `${status} ${code}`);
  expect(github).toBe("503 refresh_pending");
  expect(["200 null", "503 refresh_pending"]).toContain(google);
  const impatient = startReaders(other, app, "github", 2);
  await proxy.heal();
  for (const service of CUT_OFF_SERVICES) {
    await eventually("Both nodes agree", 15_000, async () => {
      const [a, b] = await Promise.all([readToken(cut_off, app, service), readToken(other, app, service)]);
      return a.status === 200 && a.access_token === b.access_token ? true : null;
    });
  }
  await impatient.stop();
  expect(simulator.ledger().families_revoked).toEqual([]);
  for (const service of CUT_OFF_SERVICES) {
    const host = service === "github" ? "github.com" : "oauth2.googleapis.com";
    const sends = refreshes(simulator).filter((request) => request.host === host).length;
    expect(sends).toBeGreaterThan(0);
    expect(sends).toBeLessThanOrEqual(MOST_SENDS[service]);
    expect(await storedTokenStatus(other, app, service, simulator)).toBe("current");
    expect(await storedConnection(database, service)).toMatchObject({ status: "active", is_open: false });
  }
  await database.drop();
});
