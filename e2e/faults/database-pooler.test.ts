/**
 * A proxy that pools connections between a node and PostgreSQL (PgBouncer). Sessions may be pooled; transactions may not, since
 * the lock that says that a node lives, and the notices from the others, belong to a session.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../../packages/server/test/support/postgres.ts";
import { startInteractive } from "../support/holdfast.ts";
import { startSimulated } from "../support/server.ts";
import { startPgBouncer } from "./support/pgbouncer.ts";
import { ask, connectedApp, expire, refreshes, startNode, type Node } from "./support/postgres-server-nodes.ts";

/** What a node asks of each connection, and PgBouncer has to be told to let pass. */
const IGNORED = "statement_timeout,idle_in_transaction_session_timeout";
const HANGS_AFTER_MS = 20_000;

it("F1: two nodes behind a proxy that pools sessions refresh once, and hear of each other", async (context) => {
  const database = await createDatabase();
  const simulator = await startSimulated();
  const url = await startPgBouncer(database.url, { pool_mode: "session", ignore_startup_parameters: IGNORED }, context);
  const nodes = [await startNode(simulator.url, url), await startNode(simulator.url, url)];
  const [first] = nodes;
  if (first === undefined) throw new Error("no node");
  const app = await connectedApp(first, { github: "sim-rotate+slow-200ms" });
  await expire(database, "github");
  const answers = await Promise.all(
    nodes.flatMap((node) => Array.from({ length: 20 }, () => ask(node, app, "github"))),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(new Set(answers.map(({ access_token }) => access_token)).size).toBe(1);
  expect(refreshes(simulator)).toHaveLength(1);
  await Promise.all(nodes.map((node) => node.kill()));
  await database.drop();
});

it("F1: a proxy that pools transactions is refused at the start, each time, with what to do about it", async (context) => {
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
  // And it leaves nothing behind that keeps others from starting.
  await site.again();
  await site.kill();
  await database.drop();
});

it("F1: a proxy that refuses what a node asks of its connections ends the start, and lets no secret out", async (context) => {
  const { database, site } = await installed();
  const url = await startPgBouncer(database.url, { pool_mode: "session", ignore_startup_parameters: "" }, context);
  const refused = await start(site, url);
  expect([6, 78]).toContain(refused.exit_code);
  expect(refused.text).not.toContain(new URL(url).port);
  await database.drop();
});

/** A database with its tables, and where a node was that is not running. */
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
  const hangs = delay(HANGS_AFTER_MS, "hangs" as const, { ref: false });
  const ended = await Promise.race([started.ended(), hangs]);
  if (ended === "hangs") throw new Error(`The start hangs: ${started.output.stdout}${started.output.stderr}`);
  return { exit_code: ended, text: started.output.stdout + started.output.stderr };
}
