/**
 * A proxy that pools connections between a node and PostgreSQL (PgBouncer). It can pool sessions,
 * but not transactions: the lock that proves a node alive and the notifications from other nodes
 * belong to a session.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../../packages/server/test/support/postgres.ts";
import { startInteractive } from "../support/holdfast.ts";
import { startSimulated } from "../support/server.ts";
import { startPgBouncer } from "./support/pgbouncer.ts";
import { readToken, connectedApp, expire, refreshes, startNode, type Node } from "./support/postgres-server-nodes.ts";

/** Parameters that a node sets on each connection. PgBouncer must be configured to accept them. */
const IGNORED = "statement_timeout,idle_in_transaction_session_timeout";
const HANG_TIMEOUT_MS = 20_000;

it("F1: two nodes behind a proxy that pools sessions refresh once, and notify each other", async (context) => {
  const database = await createDatabase();
  const simulator = await startSimulated();
  const url = await startPgBouncer(database.url, { pool_mode: "session", ignore_startup_parameters: IGNORED }, context);
  const nodes = [await startNode(simulator.url, url), await startNode(simulator.url, url)];
  const [first] = nodes;
  if (first === undefined) throw new Error("no node");
  const app = await connectedApp(first, { github: "sim-rotate+slow-200ms" });
  await expire(database, "github");
  const replies = await Promise.all(
    nodes.flatMap((node) => Array.from({ length: 20 }, () => readToken(node, app, "github"))),
  );
  expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
  expect(new Set(replies.map(({ access_token }) => access_token)).size).toBe(1);
  expect(refreshes(simulator)).toHaveLength(1);
  await Promise.all(nodes.map((node) => node.kill()));
  await database.drop();
});

it("F1: a proxy that pools transactions is rejected at each start, with advice", async (context) => {
  const { database, site } = await installed();
  const url = await startPgBouncer(
    database.url,
    { pool_mode: "transaction", ignore_startup_parameters: IGNORED },
    context,
  );
  for (let starts = 0; starts < 2; starts += 1) {
    const refused = await start(site, url);
    expect(refused.text).toContain("pools transactions");
    expect(refused.exit_code).toBe(78);
  }
  // Nothing is left behind that keeps other nodes from starting.
  await site.restart();
  await site.kill();
  await database.drop();
});

it("F1: a proxy that rejects the parameters of a connection ends the start, and no secret is printed", async (context) => {
  const { database, site } = await installed();
  const url = await startPgBouncer(database.url, { pool_mode: "session", ignore_startup_parameters: "" }, context);
  const refused = await start(site, url);
  expect([6, 78]).toContain(refused.exit_code);
  expect(refused.text).not.toContain(new URL(url).port);
  await database.drop();
});

/** Creates a database with its tables, and the site of a node that no longer runs. */
async function installed(): Promise<{ database: TestDatabase; site: Node }> {
  const database = await createDatabase();
  const simulator = await startSimulated();
  const site = await startNode(simulator.url, database.url);
  await site.kill();
  return { database, site };
}

async function start(site: Node, database_url: string): Promise<{ exit_code: number | null; text: string }> {
  const env = { ...site.env, HOLDFAST_DATABASE_URL: database_url };
  const args = ["serve", "--data-dir", site.data_dir, "--port", "0", "--json"];
  const started = await startInteractive(args, { home: site.home, env });
  const hangs = delay(HANG_TIMEOUT_MS, "hangs" as const, { ref: false });
  const ended = await Promise.race([started.ended(), hangs]);
  if (ended === "hangs") throw new Error(`The start hangs: ${started.output.stdout}${started.output.stderr}`);
  return { exit_code: ended, text: started.output.stdout + started.output.stderr };
}
