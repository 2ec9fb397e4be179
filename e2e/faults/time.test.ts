/**
 * Wrong clocks: a node's (F50), and the database's after a failover (F51). On PostgreSQL the
 * database's time decides, so a node with a wrong clock behaves like all others.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { parseJson } from "../support/json.ts";
import { startSimulated } from "../support/server.ts";
import { aheadBy_s, fakeClock, type FakeClock } from "./support/libfaketime.ts";
import { startPostgres, type PostgresServer } from "./support/postgres-server.ts";
import {
  readToken,
  connectedApp,
  eventually,
  expire,
  FULL,
  storedTokenStatus,
  refreshes,
  waitForRefreshes,
  startNode,
  startReaders,
  storedConnection,
} from "./support/postgres-server-nodes.ts";

/** Lifetime of the simulated github's access tokens. */
const LIFE_S = 28_800;
const OFFSETS_S = FULL ? [86_400, -86_400, 300, -300] : [86_400, -86_400];
const HOUR_S = 3_600;
const signed = (offset_s: number): string => `${offset_s < 0 ? "" : "+"}${offset_s}s`;
/** A sweeper that runs often would soon refresh too early. */
const SWEEPING = { HOLDFAST_SWEEP_INTERVAL_MS: "200" };

it("F50: nodes whose clocks are a day or five minutes off refresh nothing early, serve nothing late, and date tokens as other nodes do", async (context) => {
  const clocks = OFFSETS_S.map((offset) => ({ offset, clock: fakeClock(signed(offset), context) }));
  const database = await createDatabase();
  const simulator = await startSimulated();
  const right = await startNode(simulator.url, database.url);
  const app = await connectedApp(right, { github: "sim-rotate" });
  const wrong = await Promise.all(
    clocks.map(async ({ offset, clock }) => ({
      offset,
      node: await startNode(simulator.url, database.url, { ...SWEEPING, ...clock.env }),
    })),
  );
  for (const { node, offset } of wrong) expect(Math.abs((await aheadBy_s(node.server_url)) - offset)).toBeLessThan(5);
  const first = await readToken(right, app, "github");
  for (let reads = 0; reads < 5; reads += 1) {
    for (const { node, offset } of wrong)
      expect({ offset, ...(await readToken(node, app, "github")) }).toMatchObject({
        offset,
        status: 200,
        access_token: first.access_token,
      });
    await delay(200);
  }
  expect(refreshes(simulator)).toEqual([]);

  for (const { node, offset } of wrong) {
    const count = refreshes(simulator).length;
    // Another node's sweeper may refresh before this reader: by the database's time the token has
    // expired.
    await expire(database, "github");
    const reply = await readToken(node, app, "github");
    expect({ offset, status: reply.status }).toEqual({ offset, status: 200 });
    expect(reply.access_token).not.toBe(first.access_token);
    expect(refreshes(simulator)).toHaveLength(count + 1);
    const { expires_in_s } = await storedConnection(database, "github");
    expect(Math.abs(expires_in_s - LIFE_S)).toBeLessThan(60);
  }
  expect(simulator.ledger().families_revoked).toEqual([]);
  await database.drop();
});

it("F50: a node whose clock jumps by a day at run time is not affected", async (context) => {
  const clock = fakeClock("+0", context);
  const database = await createDatabase();
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, database.url, { ...SWEEPING, ...clock.env });
  const app = await connectedApp(node, { github: "sim-rotate+slow-500ms" });
  const { access_token } = await readToken(node, app, "github");
  for (const offset of [86_400, -86_400, 0]) {
    clock.set(signed(offset));
    // Servers compute the Date header once a second.
    await eventually("The jump", 3_000, async () =>
      Math.abs((await aheadBy_s(node.server_url)) - offset) < 5 ? true : null,
    );
    for (let reads = 0; reads < 3; reads += 1) {
      expect({ offset, ...(await readToken(node, app, "github")) }).toMatchObject({
        offset,
        status: 200,
        access_token,
      });
      await delay(200);
    }
  }
  expect(refreshes(simulator)).toEqual([]);
  // Also during a refresh: its lease and fence are durations.
  await expire(database, "github");
  const waiting = readToken(node, app, "github");
  await waitForRefreshes(simulator, 1);
  clock.set(signed(86_400));
  expect((await waiting).status).toBe(200);
  expect((await storedConnection(database, "github")).expires_in_s).toBeLessThan(LIFE_S + 60);
  expect(refreshes(simulator)).toHaveLength(1);
  expect(await storedTokenStatus(node, app, "github", simulator)).toBe("current");
  await database.drop();
});

/** Sets the database's clock, and checks that the database uses it. */
async function jump(clock: FakeClock, { query }: PostgresServer, offset_s: number): Promise<void> {
  clock.set(signed(offset_s));
  const [row] = await query("select extract(epoch from clock_timestamp())::int as now");
  const now_s = parseJson(JSON.stringify(row)).get("now").value;
  expect(Math.abs(Number(now_s) - Date.now() / 1_000 - offset_s)).toBeLessThan(5);
}

it("F51: when the database's clock jumps by an hour with a request in flight, there is at most one takeover, and both nodes end with the same token", async (context) => {
  const clock = fakeClock("+0", context);
  const server = await startPostgres(clock.env);
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, server.url);
  const other = await startNode(simulator.url, server.url);
  const app = await connectedApp(node, {
    github: "sim-rotate+slow-1500ms",
    googlecalendar: "sim-slow-1500ms+life-9000s",
  });
  for (const { offset, service, most } of [
    { offset: -HOUR_S, service: "github", most: 1 },
    // To the other node the lease expired long ago.
    { offset: HOUR_S, service: "googlecalendar", most: 2 },
  ]) {
    await expire(server, service);
    const count = refreshes(simulator).length;
    const waiting = readToken(node, app, service);
    await waitForRefreshes(simulator, count + 1);
    await jump(clock, server, offset);
    const readers = startReaders(other, app, service, 2);
    expect((await waiting).status).toBe(200);
    await eventually("Both nodes have it", 10_000, async () => {
      const [a, b] = await Promise.all([readToken(node, app, service), readToken(other, app, service)]);
      return a.status === 200 && a.access_token === b.access_token ? true : null;
    });
    await readers.stop();
    expect(refreshes(simulator).length - count).toBeLessThanOrEqual(most);
    expect(await storedConnection(server, service)).toMatchObject({ status: "active", is_open: false });
    expect(await storedTokenStatus(node, app, service, simulator)).toBe("current");
    expect(simulator.ledger().families_revoked).toEqual([]);
    await jump(clock, server, 0);
  }
});

it("F51: a dead node's lease does not last an hour longer when the database's clock goes back by an hour", async (context) => {
  const clock = fakeClock("+0", context);
  const server = await startPostgres(clock.env);
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, server.url);
  const other = await startNode(simulator.url, server.url);
  const app = await connectedApp(node, { github: "sim-rotate+slow-1500ms" });
  await expire(server, "github");
  void readToken(node, app, "github").catch(() => null);
  await waitForRefreshes(simulator, 1);
  await node.kill();
  await jump(clock, server, -HOUR_S);
  // The response died with it, so the one resend is refused. That is known after a lease, not after
  // an hour.
  await eventually("The connection is decided", 20_000, async () => {
    const { status } = await readToken(other, app, "github");
    return status === 409 ? true : null;
  });
  expect(refreshes(simulator)).toHaveLength(2);
  expect(await storedConnection(server, "github")).toMatchObject({
    status: "expired",
    reason: "refresh_outcome_unknown",
  });
});
