/**
 * The database is unreachable before a refresh is claimed (F17). A node still serves the tokens it
 * served before. It refuses everything else soon, with the reason, and sends no provider a request.
 * While the database is reachable, no revoked token is served.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { newCredential } from "../../packages/server/src/core/ids.ts";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { asBuilder, startSimulated, type App } from "../support/server.ts";
import { startPostgres } from "./support/postgres-server.ts";
import {
  readToken,
  connectedApp,
  eventually,
  expire,
  FULL,
  portOf,
  refreshes,
  startNode,
  startReaders,
  withPort,
  type TimedReply,
  type Environment,
  type Node,
} from "./support/postgres-server-nodes.ts";
import { startTcpProxy, type Fault, type TcpProxy } from "./support/tcp-proxy.ts";

const OUTAGE_MS = FULL ? 30_000 : 4_000;
const READERS = 3;
/** How long the cache serves without checking the database. Short, so the outage outlasts it. */
const CACHE_AGE: Environment = { HOLDFAST_TOKEN_CACHE_TTL_MS: "1000" };
/** How the connection to the database breaks, one fault for each node. */
const FAULTS: readonly Fault[] = [{ kind: "refuse" }, { kind: "reset" }, { kind: "half_open" }, { kind: "hold" }];

/** slack is valid but not cached. github has expired. */
const NEVER_READ = ["slack", "github"];

interface Broken {
  readonly fault: Fault;
  readonly proxy: TcpProxy;
  readonly node: Node;
}

async function behindProxy(fault: Fault, gateway: string, database_url: string, env = CACHE_AGE): Promise<Broken> {
  const proxy = await startTcpProxy(portOf(database_url));
  return { fault, proxy, node: await startNode(gateway, withPort(database_url, proxy.port), env) };
}

/** Reads during an outage. notion was read before. */
async function outage(
  node: Node,
  app: App,
  never_read: readonly string[],
): Promise<{ served: readonly TimedReply[]; refused: readonly TimedReply[] }> {
  const readers = startReaders(node, app, "notion", READERS);
  const until = performance.now() + OUTAGE_MS;
  const never_seen = newCredential("hfs").credential.expose();
  const refused: TimedReply[] = [];
  while (performance.now() < until) {
    for (const service of never_read) refused.push(await readToken(node, app, service));
    refused.push(await readToken(node, { ...app, service_token: never_seen }, "notion"));
    await delay(100);
  }
  return { served: await readers.stop(), refused };
}

async function survives(
  name: string,
  { node }: Broken,
  app: App,
  never_read: readonly string[],
  down: () => Promise<void>,
): Promise<void> {
  const before = await readUntilCached(node, app);
  const broken = down();
  const { served, refused } = await outage(node, app, never_read);
  await broken;
  console.info(
    `F17, ${name}: ${served.length} served, ${served.filter(({ stale }) => stale).length} of them stale, slowest ${slowest(served)} ms; ${refused.length} refused, slowest ${slowest(refused)} ms`,
  );
  expect(new Set(served.map(({ status, access_token }) => `${name}: ${status} ${access_token}`))).toEqual(
    new Set([`${name}: 200 ${before.access_token}`]),
  );
  expect({ name, stale: served.at(-1)?.stale }).toEqual({ name, stale: true });
  for (const { status, code, retry_after } of refused.slice(1)) {
    expect({ name, status, code }).toEqual({ name, status: 503, code: "database_unavailable" });
    expect(Number(retry_after)).toBeGreaterThan(0);
  }
  expect(slowest(refused)).toBeLessThan(1_000);
}

/** Reads often enough that the node caches the token, even while other nodes write. */
async function readUntilCached(node: Node, app: App): Promise<TimedReply> {
  for (let reads = 0; reads < 5; reads += 1) {
    expect(await readToken(node, app, "notion")).toMatchObject({ status: 200, stale: false });
    await delay(50);
  }
  return readToken(node, app, "notion");
}

async function recovers({ node }: Broken, app: App, services: readonly string[]): Promise<void> {
  for (const service of services) {
    await eventually(`${service} is back`, 10_000, async () => {
      const { status, stale } = await readToken(node, app, service);
      return status === 200 && !stale ? true : null;
    });
  }
}

const slowest = (replies: readonly TimedReply[]): number =>
  Math.round(Math.max(...replies.map(({ took_ms }) => took_ms)));

it("F17: serves through an outage what it served before, refuses everything else within a second, and sends nothing: when the database refuses, resets, does not respond, is cut off, is stopped", async () => {
  const server = await startPostgres();
  const simulator = await startSimulated();
  // In order: the first node creates the tables.
  const first = await behindProxy({ kind: "refuse" }, simulator.url, server.url);
  const others = await Promise.all(FAULTS.slice(1).map((fault) => behindProxy(fault, simulator.url, server.url)));
  const all = [first, ...others];
  const app = await connectedApp(first.node, { notion: "sim-ok", slack: "sim-ok", github: "sim-rotate" });
  await expire(server, "github");

  await Promise.all(
    all.map((broken) => survives(broken.fault.kind, broken, app, NEVER_READ, () => broken.proxy.break(broken.fault))),
  );
  expect(refreshes(simulator)).toEqual([]);
  await Promise.all(all.map(({ proxy }) => proxy.heal()));
  await Promise.all(all.map((broken) => recovers(broken, app, ["slack", "notion"])));

  await survives("stop", first, app, ["github"], () => server.stop());
  expect(refreshes(simulator)).toEqual([]);
  await server.start();
  await Promise.all(all.map((broken) => recovers(broken, app, ["notion", "slack", "github"])));
  expect(refreshes(simulator)).toHaveLength(1);
});

it("F17: serves no expired token in an outage, and nothing at all if outage_grace_s is 0", async () => {
  const database = await createDatabase();
  const simulator = await startSimulated();
  const { node, proxy } = await behindProxy({ kind: "refuse" }, simulator.url, database.url);
  const strict = await behindProxy({ kind: "refuse" }, simulator.url, database.url, {
    ...CACHE_AGE,
    HOLDFAST_OUTAGE_GRACE_S: "0",
  });
  const app = await connectedApp(node, { notion: "sim-ok" });
  await database.query(
    `update connections set last_lifetime_s = 10, expires_at = (extract(epoch from clock_timestamp()) * 1000)::int8 + 4000,
       refresh_at = (extract(epoch from clock_timestamp()) * 1000)::int8 + 3900`,
  );
  await Promise.all([readUntilCached(node, app), readUntilCached(strict.node, app)]);
  await Promise.all([proxy.break({ kind: "refuse" }), strict.proxy.break({ kind: "refuse" })]);
  const refusalOf = (target: Node): Promise<TimedReply> =>
    eventually("The refusal", 6_000, async () => {
      const reply = await readToken(target, app, "notion");
      return reply.status === 200 ? null : reply;
    });
  expect(await refusalOf(strict.node)).toMatchObject({ status: 503, code: "database_unavailable" });
  expect((await readToken(node, app, "notion")).status).toBe(200);
  expect(await refusalOf(node)).toMatchObject({ status: 503, code: "database_unavailable" });
  expect(refreshes(simulator)).toEqual([]);
  await database.drop();
});

const nothing = (): Promise<void> => Promise.resolve();

it("F17: rejects a revoked token on the other nodes within a second, even when the notification is lost", async () => {
  const LOST: Readonly<Record<string, (proxy: TcpProxy) => Promise<unknown>>> = {
    "nothing is lost": nothing,
    "all its connections are cut at that moment": (proxy) => Promise.resolve(proxy.cut()),
    "its listening connection receives nothing": (proxy) =>
      proxy.break({ kind: "drop", direction: "to_client" }, /listen holdfast_changed/),
  };
  const database = await createDatabase();
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, database.url);
  const others = await Promise.all(
    Object.keys(LOST).map(async (name) => ({
      name,
      ...(await behindProxy({ kind: "refuse" }, simulator.url, database.url, {})),
    })),
  );
  const app = await connectedApp(node, { notion: "sim-ok" });
  const tokens = `/api/management/apps/${app.app_id}/tokens`;
  const [listed] = (await asBuilder(node, app, "GET", tokens)).list("tokens");
  await Promise.all(others.map((other) => readUntilCached(other.node, app)));
  await Promise.all(others.map(({ name, proxy }) => (LOST[name] ?? nothing)(proxy)));
  await asBuilder(node, app, "DELETE", `${tokens}/${listed?.text("id")}`);
  const revoked_at = performance.now();
  expect((await readToken(node, app, "notion")).status).toBe(401);
  const took = await Promise.all(
    others.map(async (other) => {
      await eventually("The refusal", 5_000, async () =>
        (await readToken(other.node, app, "notion")).status === 401 ? true : null,
      );
      const took_ms = Math.round(performance.now() - revoked_at);
      console.info(`F17: revoked on another node after ${took_ms} ms when ${other.name}`);
      return took_ms;
    }),
  );
  expect(Math.max(...took)).toBeLessThan(1_000);
  await database.drop();
});
