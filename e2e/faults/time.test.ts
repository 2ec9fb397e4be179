/**
 * Clocks that are wrong: a node's (F50), the database's after a fail-over (F51). On PostgreSQL the database's time rules, so
 * that a node with a wrong clock behaves as all others do.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { parseJson } from "../support/json.ts";
import { startSimulated } from "../support/server.ts";
import { aheadBy_s, fakeClock, type FakeClock } from "./support/libfaketime.ts";
import { startPostgres, type PostgresServer } from "./support/postgres-server.ts";
import {
  ask,
  connectedApp,
  eventually,
  expire,
  FULL,
  honoured,
  refreshes,
  sent,
  startNode,
  startReaders,
  stored,
} from "./support/postgres-server-nodes.ts";

/** Of the simulated github's access tokens. */
const LIFE_S = 28_800;
const OFFSETS_S = FULL ? [86_400, -86_400, 300, -300] : [86_400, -86_400];
const HOUR_S = 3_600;
const signed = (offset_s: number): string => `${offset_s < 0 ? "" : "+"}${offset_s}s`;
/** A sweeper that comes by often would refresh early soon. */
const SWEEPING = { HOLDFAST_SWEEP_INTERVAL_MS: "200" };

it("F50: nodes whose clocks are a day or five minutes off refresh nothing early, serve nothing late, and date tokens as the others do", async (context) => {
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
  const first = await ask(right, app, "github");
  for (let reads = 0; reads < 5; reads += 1) {
    for (const { node, offset } of wrong)
      expect({ offset, ...(await ask(node, app, "github")) }).toMatchObject({
        offset,
        status: 200,
        access_token: first.access_token,
      });
    await delay(200);
  }
  expect(refreshes(simulator)).toEqual([]);

  for (const { node, offset } of wrong) {
    const count = refreshes(simulator).length;
    // The sweeper of one of the others may be faster than this reader: it is over by the database's time.
    await expire(database, "github");
    const answer = await ask(node, app, "github");
    expect({ offset, status: answer.status }).toEqual({ offset, status: 200 });
    expect(answer.access_token).not.toBe(first.access_token);
    expect(refreshes(simulator)).toHaveLength(count + 1);
    const { expires_in_s } = await stored(database, "github");
    expect(Math.abs(expires_in_s - LIFE_S)).toBeLessThan(60);
  }
  expect(simulator.ledger().families_revoked).toEqual([]);
  await database.drop();
});

it("F50: a node whose clock jumps by a day while it runs goes on as if nothing had happened", async (context) => {
  const clock = fakeClock("+0", context);
  const database = await createDatabase();
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, database.url, { ...SWEEPING, ...clock.env });
  const app = await connectedApp(node, { github: "sim-rotate+slow-500ms" });
  const { access_token } = await ask(node, app, "github");
  for (const offset of [86_400, -86_400, 0]) {
    clock.set(signed(offset));
    // The Date of answers is made anew once a second.
    await eventually("The jump", 3_000, async () =>
      Math.abs((await aheadBy_s(node.server_url)) - offset) < 5 ? true : null,
    );
    for (let reads = 0; reads < 3; reads += 1) {
      expect({ offset, ...(await ask(node, app, "github")) }).toMatchObject({ offset, status: 200, access_token });
      await delay(200);
    }
  }
  expect(refreshes(simulator)).toEqual([]);
  // And while a refresh is out: its lease and fence are durations.
  await expire(database, "github");
  const waiting = ask(node, app, "github");
  await sent(simulator, 1);
  clock.set(signed(86_400));
  expect((await waiting).status).toBe(200);
  expect((await stored(database, "github")).expires_in_s).toBeLessThan(LIFE_S + 60);
  expect(refreshes(simulator)).toHaveLength(1);
  expect(await honoured(node, app, "github", simulator)).toBe("current");
  await database.drop();
});

/** Sets the database's clock, and makes sure that the database believes it. */
async function jump(clock: FakeClock, { query }: PostgresServer, offset_s: number): Promise<void> {
  clock.set(signed(offset_s));
  const [row] = await query("select extract(epoch from clock_timestamp())::int as now");
  const now_s = parseJson(JSON.stringify(row)).get("now").value;
  expect(Math.abs(Number(now_s) - Date.now() / 1_000 - offset_s)).toBeLessThan(5);
}

it("F51: when the database's clock jumps by an hour with a request in flight there is at most one takeover, and both nodes end with one answer", async (context) => {
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
    // To the other node the lease is long over.
    { offset: HOUR_S, service: "googlecalendar", most: 2 },
  ]) {
    await expire(server, service);
    const count = refreshes(simulator).length;
    const waiting = ask(node, app, service);
    await sent(simulator, count + 1);
    await jump(clock, server, offset);
    const readers = startReaders(other, app, service, 2);
    expect((await waiting).status).toBe(200);
    await eventually("Both nodes have it", 10_000, async () => {
      const [a, b] = await Promise.all([ask(node, app, service), ask(other, app, service)]);
      return a.status === 200 && a.access_token === b.access_token ? true : null;
    });
    await readers.stop();
    expect(refreshes(simulator).length - count).toBeLessThanOrEqual(most);
    expect(await stored(server, service)).toMatchObject({ status: "active", is_open: false });
    expect(await honoured(node, app, service, simulator)).toBe("current");
    expect(simulator.ledger().families_revoked).toEqual([]);
    await jump(clock, server, 0);
  }
});

it("F51: the lease of a dead node does not last an hour longer because the database's clock went back by an hour", async (context) => {
  const clock = fakeClock("+0", context);
  const server = await startPostgres(clock.env);
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, server.url);
  const other = await startNode(simulator.url, server.url);
  const app = await connectedApp(node, { github: "sim-rotate+slow-1500ms" });
  await expire(server, "github");
  void ask(node, app, "github").catch(() => null);
  await sent(simulator, 1);
  await node.kill();
  await jump(clock, server, -HOUR_S);
  // Its answer died with it, so that the one resend is refused; but that is known after a lease, not after an hour.
  await eventually("The connection is decided", 20_000, async () => {
    const { status } = await ask(other, app, "github");
    return status === 409 ? true : null;
  });
  expect(refreshes(simulator)).toHaveLength(2);
  expect(await stored(server, "github")).toMatchObject({ status: "expired", reason: "refresh_outcome_unknown" });
});
