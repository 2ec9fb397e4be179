/**
 * The database is there and no help: slow (F21), out of connections (F25), read-only (F26), or with garbled rows (F28).
 * Whoever does not need it notices nothing; whoever does is told so soon.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { createDatabase } from "../../packages/server/test/support/postgres.ts";
import { startSimulated } from "../support/server.ts";
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
  stored,
  through,
  type Answer,
} from "./support/postgres-server-nodes.ts";
import { startTcpProxy } from "./support/tcp-proxy.ts";

const SLOW_MS = FULL ? 20_000 : 3_000;
const STATEMENT_MS = 5_000;
const CONNECTIONS = 4;

const median = (answers: readonly Answer[]): number => percentile(answers, 0.5);
const percentile = (answers: readonly Answer[], share: number): number =>
  Math.round(answers.map(({ took_ms }) => took_ms).toSorted((a, b) => a - b)[Math.floor(answers.length * share)] ?? 0);

/** As the kernel sees them: the proxy also counts those that its delay keeps from hearing of their end. */
async function mostConnections(port: number, done: () => boolean): Promise<number> {
  const established = new RegExp(`0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 01 `, "g");
  let most = 0;
  while (!done()) {
    // Each line: local address, remote address, state. Only a client's has the port as the remote one.
    const lines = readFileSync("/proc/net/tcp", "latin1").match(established) ?? [];
    most = Math.max(most, lines.length);
    await delay(50);
  }
  return most;
}

it("F21: with five seconds per statement reads from the cache are as fast as ever, others are refused, and connections stay few", async () => {
  const database = await createDatabase();
  const proxy = await startTcpProxy(portOf(database.url));
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, through(database.url, proxy.port), {
    HOLDFAST_DATABASE_CONNECTIONS: String(CONNECTIONS),
  });
  const app = await connectedApp(node, { notion: "sim-ok", slack: "sim-ok", github: "sim-rotate" });
  await expire(database, "github");
  const { access_token } = await ask(node, app, "notion");
  const usual = startReaders(node, app, "notion", 4);
  await delay(1_000);
  const usual_ms = percentile(await usual.stop(), 0.99);

  await proxy.break({ kind: "delay", delay_ms: STATEMENT_MS, direction: "to_server" });
  const cached = startReaders(node, app, "notion", 4);
  let stop_counting = false;
  const counting = mostConnections(proxy.port, () => stop_counting);
  const others = [...Array.from({ length: 10 }, () => "slack"), ...Array.from({ length: 10 }, () => "github")];
  const refused = await Promise.all(others.map((service) => ask(node, app, service)));
  await delay(SLOW_MS);
  stop_counting = true;
  const [served, connections] = [await cached.stop(), await counting];
  console.info(
    `F21: ${served.length} served, median ${median(served)} ms, p99 ${percentile(served, 0.99)} ms (else ${usual_ms} ms); refused within ${percentile(refused, 0.999)} ms; ${connections} connections`,
  );
  expect(new Set(served.map((answer) => `${answer.status} ${answer.access_token}`))).toEqual(
    new Set([`200 ${access_token}`]),
  );
  // The machine may have other things to do, too.
  expect(percentile(served, 0.99)).toBeLessThan(100 + 5 * usual_ms);
  for (const { status, code, took_ms } of refused) {
    expect({ status, code }).toEqual({ status: 503, code: "database_unavailable" });
    expect(took_ms).toBeLessThan(2_500);
  }
  expect(refreshes(simulator)).toEqual([]);
  // The pool's, and the one that listens, which may be replaced while the old one is still being closed.
  expect(connections).toBeGreaterThan(1);
  expect(connections).toBeLessThanOrEqual(CONNECTIONS + 2);
  await proxy.heal();
  for (const service of ["slack", "github"]) {
    await eventually(`${service} is back`, 10_000, async () =>
      (await ask(node, app, service)).status === 200 ? true : null,
    );
  }
  expect(refreshes(simulator)).toHaveLength(1);
  await database.drop();
});

it("F25: when the pool is exhausted everybody else hears of it within two seconds, and nothing hangs", async () => {
  const database = await createDatabase();
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, database.url, { HOLDFAST_DATABASE_CONNECTIONS: "2" });
  const app = await connectedApp(node, { notion: "sim-ok", slack: "sim-ok", github: "sim-rotate" });
  await expire(database, "github");
  expect((await ask(node, app, "notion")).status).toBe(200);
  await database.query("begin");
  await database.query("lock table connections in access exclusive mode");
  // Two of them get a connection, and wait for the lock with it.
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, n) => ask(node, app, n % 2 === 0 ? "slack" : "github")),
  );
  for (const { status, code, retry_after } of answers) {
    expect(status).toBe(503);
    expect(["database_unavailable", "database_busy"]).toContain(code);
    expect(Number(retry_after)).toBeGreaterThan(0);
  }
  console.info(`F25: ${answers.length} refused, slowest ${percentile(answers, 0.999)} ms`);
  expect(Math.max(...answers.map(({ took_ms }) => took_ms))).toBeLessThan(2_500);
  expect((await ask(node, app, "notion")).status).toBe(200);
  expect(refreshes(simulator)).toEqual([]);
  await database.query("rollback");
  for (const service of ["slack", "github"]) {
    await eventually(`${service} is back`, 10_000, async () =>
      (await ask(node, app, service)).status === 200 ? true : null,
    );
  }
  expect(refreshes(simulator)).toHaveLength(1);
  await database.drop();
});

it("F26: a read-only database serves what is good, refuses what needs a refresh, and sends nothing", async () => {
  const database = await createDatabase();
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, database.url);
  const app = await connectedApp(node, { notion: "sim-ok", slack: "sim-ok", github: "sim-rotate" });
  await expire(database, "github");
  const name = new URL(database.url).pathname.slice(1);
  const cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()";
  await database.query(`alter database ${name} set default_transaction_read_only = on`);
  await database.query(cut, [name]);
  // notion and slack from the database, which can be read.
  for (const service of ["notion", "slack"]) {
    await eventually(`${service} is served`, 5_000, async () =>
      (await ask(node, app, service)).status === 200 ? true : null,
    );
  }
  const refused = await ask(node, app, "github");
  expect(refused).toMatchObject({ status: 503, code: "database_unavailable" });
  expect(Number(refused.retry_after)).toBeGreaterThan(0);
  expect(refreshes(simulator)).toEqual([]);
  await database.query("set default_transaction_read_only = off");
  await database.query(`alter database ${name} reset default_transaction_read_only`);
  await database.query(cut, [name]);
  await eventually("github is back", 10_000, async () =>
    (await ask(node, app, "github")).status === 200 ? true : null,
  );
  expect(refreshes(simulator)).toHaveLength(1);
  await database.drop();
});

/** What may be wrong with one row, each in the row of another service. */
const GARBLED: Readonly<Record<string, string>> = {
  slack: "sealed_access = overlay(sealed_access placing '\\x00'::bytea from 20 for 1)",
  notion: "sealed_access = '\\x'::bytea",
  linear: "config = '{\"a\":'",
  hubspot: "scopes_granted = 'no list'",
  github: "sealed_refresh = overlay(sealed_refresh placing '\\x0000'::bytea from 30 for 2)",
};

it("F28: a garbled row fails its own connection, and no other one; the node lives, sweeps on and renews the others", async () => {
  const database = await createDatabase();
  const simulator = await startSimulated();
  const node = await startNode(simulator.url, database.url, { HOLDFAST_SWEEP_INTERVAL_MS: "200" });
  const services = [...Object.keys(GARBLED), "googlecalendar"];
  const app = await connectedApp(node, Object.fromEntries(services.map((service) => [service, "sim-rotate"])));
  for (const [service, set] of Object.entries(GARBLED)) {
    await database.query(`update connections set ${set} where integration_type = '${service}'`);
  }
  // The garbled refresh token is needed; the good one's, too, which shows that the sweeper gets past the others.
  await expire(database, "github");
  await expire(database, "googlecalendar");
  const answers = new Map<string, Answer>();
  for (const service of services) answers.set(service, await ask(node, app, service));
  console.info(`F28: ${[...answers].map(([service, { status, code }]) => `${service} ${status} ${code}`).join(", ")}`);
  expect(answers.get("googlecalendar")).toMatchObject({ status: 200 });
  for (const service of ["slack", "notion"])
    expect(answers.get(service)).toMatchObject({ code: "credential_unreadable" });
  expect(answers.get("github")?.status).toBeGreaterThanOrEqual(500);
  await expire(database, "googlecalendar");
  await eventually("The sweeper's turn", 10_000, async () =>
    (await stored(database, "googlecalendar")).expires_in_s > 0 ? true : null,
  );
  expect(refreshes(simulator).map(({ host }) => host)).toEqual(refreshes(simulator).map(() => "oauth2.googleapis.com"));
  expect((await fetch(`${node.server_url}/readyz`)).status).toBe(200);
  await database.drop();
});
