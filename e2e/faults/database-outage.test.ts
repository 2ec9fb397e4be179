/**
 * The database goes away before a refresh is claimed (F17): what a node has served before it goes on serving, everything
 * else is refused soon and says why, and no provider hears anything. While the database is there nothing revoked is served.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { newCredential } from "../../packages/server/src/core/ids.ts";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { asBuilder, startSimulated, type App } from "../support/server.ts";
import { startPostgres } from "./support/postgres-server.ts";
import {
  ask,
  connectedApp,
  eventually,
  expire,
  FULL,
  portOf,
  refreshes,
  startNode,
  startReaders,
  through,
  type Answer,
  type Environment,
  type Node,
} from "./support/postgres-server-nodes.ts";
import { startTcpProxy, type Fault, type TcpProxy } from "./support/tcp-proxy.ts";

const OUTAGE_MS = FULL ? 30_000 : 4_000;
const READERS = 3;
/** What the cache serves without a look at the database; short, so that the outage outlasts it. */
const CACHE_AGE: Environment = { HOLDFAST_TOKEN_CACHE_TTL_MS: "1000" };
/** How the way to the database can break, one for each node. */
const FAULTS: readonly Fault[] = [{ kind: "refuse" }, { kind: "reset" }, { kind: "half_open" }, { kind: "hold" }];

/** slack: good, and not in the cache. github: over. */
const NEVER_READ = ["slack", "github"];

interface Broken {
  readonly fault: Fault;
  readonly proxy: TcpProxy;
  readonly node: Node;
}

async function behindProxy(fault: Fault, gateway: string, database_url: string, env = CACHE_AGE): Promise<Broken> {
  const proxy = await startTcpProxy(portOf(database_url));
  return { fault, proxy, node: await startNode(gateway, through(database_url, proxy.port), env) };
}

/** What an outage is like for a node's callers. notion was read before. */
async function outage(
  node: Node,
  app: App,
  never_read: readonly string[],
): Promise<{ served: readonly Answer[]; refused: readonly Answer[] }> {
  const readers = startReaders(node, app, "notion", READERS);
  const until = performance.now() + OUTAGE_MS;
  const unseen = newCredential("hfs").credential.expose();
  const refused: Answer[] = [];
  while (performance.now() < until) {
    for (const service of never_read) refused.push(await ask(node, app, service));
    refused.push(await ask(node, { ...app, service_token: unseen }, "notion"));
    await delay(100);
  }
  return { served: await readers.stop(), refused };
}

async function survives(
  what: string,
  { node }: Broken,
  app: App,
  never_read: readonly string[],
  down: () => Promise<void>,
): Promise<void> {
  const before = await rememberedBy(node, app);
  const broken = down();
  const { served, refused } = await outage(node, app, never_read);
  await broken;
  console.info(
    `F17, ${what}: ${served.length} served, ${served.filter(({ stale }) => stale).length} of them stale, slowest ${slowest(served)} ms; ${refused.length} refused, slowest ${slowest(refused)} ms`,
  );
  expect(new Set(served.map(({ status, access_token }) => `${what}: ${status} ${access_token}`))).toEqual(
    new Set([`${what}: 200 ${before.access_token}`]),
  );
  expect({ what, stale: served.at(-1)?.stale }).toEqual({ what, stale: true });
  for (const { status, code, retry_after } of refused.slice(1)) {
    expect({ what, status, code }).toEqual({ what, status: 503, code: "database_unavailable" });
    expect(Number(retry_after)).toBeGreaterThan(0);
  }
  expect(slowest(refused)).toBeLessThan(1_000);
}

/** Read often enough that the node has it in its cache, whatever the other nodes write at the time. */
async function rememberedBy(node: Node, app: App): Promise<Answer> {
  for (let reads = 0; reads < 5; reads += 1) {
    expect(await ask(node, app, "notion")).toMatchObject({ status: 200, stale: false });
    await delay(50);
  }
  return ask(node, app, "notion");
}

async function recovers({ node }: Broken, app: App, services: readonly string[]): Promise<void> {
  for (const service of services) {
    await eventually(`${service} is back`, 10_000, async () => {
      const { status, stale } = await ask(node, app, service);
      return status === 200 && !stale ? true : null;
    });
  }
}

const slowest = (answers: readonly Answer[]): number => Math.round(Math.max(...answers.map(({ took_ms }) => took_ms)));

it("F17: serves through an outage what it served before, refuses all else within a second, and sends nothing: when the database refuses, resets, is silent, is cut off, is stopped", async () => {
  const server = await startPostgres();
  const simulator = await startSimulated();
  // One after the other: the first of them makes the tables.
  const first = await behindProxy({ kind: "refuse" }, simulator.url, server.url);
  const others = await Promise.all(FAULTS.slice(1).map((fault) => behindProxy(fault, simulator.url, server.url)));
  const all = [first, ...others];
  const app = await connectedApp(first.node, { notion: "sim-ok", slack: "sim-ok", github: "sim-rotate" });
  await expire(server, "github");

  await Promise.all(all.map((one) => survives(one.fault.kind, one, app, NEVER_READ, () => one.proxy.break(one.fault))));
  expect(refreshes(simulator)).toEqual([]);
  await Promise.all(all.map(({ proxy }) => proxy.heal()));
  await Promise.all(all.map((one) => recovers(one, app, ["slack", "notion"])));

  await survives("stop", first, app, ["github"], () => server.stop());
  expect(refreshes(simulator)).toEqual([]);
  await server.start();
  await Promise.all(all.map((one) => recovers(one, app, ["notion", "slack", "github"])));
  expect(refreshes(simulator)).toHaveLength(1);
});

it("F17: does not serve a token past its end in an outage, nor anything at all where outage_grace_s is 0", async () => {
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
  await Promise.all([rememberedBy(node, app), rememberedBy(strict.node, app)]);
  await Promise.all([proxy.break({ kind: "refuse" }), strict.proxy.break({ kind: "refuse" })]);
  const refused = (of: Node): Promise<Answer> =>
    eventually("The refusal", 6_000, async () => {
      const answer = await ask(of, app, "notion");
      return answer.status === 200 ? null : answer;
    });
  expect(await refused(strict.node)).toMatchObject({ status: 503, code: "database_unavailable" });
  expect((await ask(node, app, "notion")).status).toBe(200);
  expect(await refused(node)).toMatchObject({ status: 503, code: "database_unavailable" });
  expect(refreshes(simulator)).toEqual([]);
  await database.drop();
});

const nothing = (): Promise<void> => Promise.resolve();

it("F17: refuses a revoked token on the other nodes within a second, also when the notice of it is lost", async () => {
  const LOST: Readonly<Record<string, (proxy: TcpProxy) => Promise<unknown>>> = {
    "nothing is lost": nothing,
    "all its connections are cut at that moment": (proxy) => Promise.resolve(proxy.cut()),
    "the connection that listens falls silent": (proxy) =>
      proxy.break({ kind: "drop", direction: "to_client" }, /listen holdfast_changed/),
  };
  const database = await createDatabase();
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, database.url);
  const others = await Promise.all(
    Object.keys(LOST).map(async (what) => ({
      what,
      ...(await behindProxy({ kind: "refuse" }, simulator.url, database.url, {})),
    })),
  );
  const app = await connectedApp(node, { notion: "sim-ok" });
  const tokens = `/api/management/apps/${app.app_id}/tokens`;
  const [listed] = (await asBuilder(node, app, "GET", tokens)).list("tokens");
  await Promise.all(others.map((other) => rememberedBy(other.node, app)));
  await Promise.all(others.map(({ what, proxy }) => (LOST[what] ?? nothing)(proxy)));
  await asBuilder(node, app, "DELETE", `${tokens}/${listed?.text("id")}`);
  const revoked_at = performance.now();
  expect((await ask(node, app, "notion")).status).toBe(401);
  const took = await Promise.all(
    others.map(async (other) => {
      await eventually("The refusal", 5_000, async () =>
        (await ask(other.node, app, "notion")).status === 401 ? true : null,
      );
      const took_ms = Math.round(performance.now() - revoked_at);
      console.info(`F17: revoked on another node after ${took_ms} ms when ${other.what}`);
      return took_ms;
    }),
  );
  expect(Math.max(...took)).toBeLessThan(1_000);
  await database.drop();
});
