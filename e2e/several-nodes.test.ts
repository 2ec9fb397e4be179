/**
 * Three servers on one PostgreSQL, as behind a load balancer. Together they behave as one server.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { createDatabase, type TestDatabase } from "../packages/server/test/support/postgres.ts";
import { holdfast, startHoldfast } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import {
  asBuilder,
  getConnection,
  initiate,
  setClient,
  signIn,
  startSimulated,
  type App,
  type Site,
} from "./support/server.ts";
import { freePort } from "../packages/server/test/support/port.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const NODES = 3;
const READERS_PER_NODE = 100;
const MASTER_KEY = Buffer.alloc(32, 7).toString("base64");

interface Cluster {
  readonly database: TestDatabase;
  readonly nodes: readonly Site[];
  readonly setup_url: string;
  command(...args: readonly string[]): Promise<string>;
}

async function startCluster(gateway: string): Promise<Cluster> {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  const env = {
    HOLDFAST_DATABASE_URL: database.url,
    HOLDFAST_MASTER_KEY: MASTER_KEY,
    HOLDFAST_LOG_LEVEL: "warn",
    // Only readers refresh here. A sweeper would refresh first.
    HOLDFAST_SWEEP_INTERVAL_MS: "600000",
  };
  const home = temporaryDirectory();
  const ports = await Promise.all(Array.from({ length: NODES }, () => freePort()));
  // The load balancer's address. Here it is the first node.
  const server_url = `http://localhost:${ports[0]}`;
  const started = await Promise.all(
    ports.map((port, index) => {
      const data_dir = join(home, `node-${index}`);
      const addresses = ["--port", String(port), "--public-url", server_url, "--provider-gateway", gateway];
      return startHoldfast(["serve", "--data-dir", data_dir, ...addresses], { home, env });
    }),
  );
  return {
    database,
    nodes: ports.map((port, index) => ({
      home,
      data_dir: join(home, `node-${index}`),
      server_url: `http://localhost:${port}`,
      gateway,
      start: () => Promise.reject(new Error("The nodes already run.")),
    })),
    setup_url: started[0]?.ready.text("setup_url") ?? "",
    async command(...args) {
      const ended = await holdfast([...args, "--json"], { home, env });
      if (ended.exit_code !== 0) throw new Error(`holdfast ${args.join(" ")}: ${ended.stderr}`);
      return ended.stdout;
    },
  };
}

async function appOf({ command }: Cluster): Promise<App> {
  const created = parseJson(await command("apps", "create", "shop"));
  const [app_id, service_token, api_key] = [
    created.text("app_id"),
    created.text("service_token"),
    created.text("api_key"),
  ];
  return { app_id, service_token, api_key };
}

/** Polls the node until it rejects the app's token. Returns how long that took. */
async function rejectedAfter_ms(node: Site, app: App): Promise<number> {
  const started_at = performance.now();
  for (;;) {
    const { status } = await getConnection(node, app, "github");
    const took_ms = performance.now() - started_at;
    if (status === 401) return took_ms;
    if (took_ms > 10_000) throw new Error(`The token is still valid on ${node.server_url}.`);
    await delay(20);
  }
}

it("refreshes an expired single-use token once for 300 readers, and rejects a revoked token on every node", async () => {
  const simulator = await startSimulated();
  const cluster = await startCluster(simulator.url);
  const [first, second, third] = cluster.nodes;
  if (first === undefined || second === undefined || third === undefined) throw new Error("A node is missing.");
  const app = await appOf(cluster);
  await setClient(first, app, "github", "sim-rotate+slow-300ms");
  const builder = await signIn(first, cluster.setup_url);
  await builder.connect(await initiate(first, app, "github"));
  // Set in the database, because announced lifetimes count as at least a minute. Nothing has read
  // yet, so nothing is cached.
  await cluster.database.query("update connections set expires_at = issued_at, refresh_at = issued_at");

  const replies = await Promise.all(
    cluster.nodes.flatMap((node) => Array.from({ length: READERS_PER_NODE }, () => getConnection(node, app, "github"))),
  );
  expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
  expect(new Set(replies.map(({ access_token }) => access_token ?? "")).size).toBe(1);
  const refreshes = simulator.ledger().requests.filter(({ kind }) => kind === "refresh");
  expect(refreshes.map(({ outcome }) => outcome)).toEqual(["ok"]);

  const tokens = `/api/management/apps/${app.app_id}/tokens`;
  const [listed] = (await asBuilder(first, app, "GET", tokens)).list("tokens");
  await asBuilder(first, app, "DELETE", `${tokens}/${listed?.text("id")}`);
  const rejected_after = await Promise.all([second, third].map((node) => rejectedAfter_ms(node, app)));
  expect(Math.max(...rejected_after)).toBeLessThan(1_000);
});

it(
  "runs a scheduled function once for each time of its schedule, and shows its log on every node",
  { tags: "all" },
  async () => {
    const simulator = await startSimulated();
    const cluster = await startCluster(simulator.url);
    const [first] = cluster.nodes;
    if (first === undefined) throw new Error("A node is missing.");
    const app = await appOf(cluster);
    const content =
      'export default async (request) => { console.log("tick", await request.text()); return new Response(); };';
    const yearly = {
      name: "yearly",
      type: "scheduled",
      schedule_mode: "recurring",
      schedule_type: "cron",
      cron_expression: "0 0 1 1 *",
      function_args: { year: true },
    };
    await asBuilder(first, app, "PUT", `/api/apps/${app.app_id}/backend-functions/report`, {
      entry: "entry.js",
      files: [{ path: "entry.js", content }],
      automations: [yearly],
    });
    const TICKS = 4;
    for (let tick = 1; tick <= TICKS; tick += 1) {
      // Now, for all nodes at once.
      await cluster.database.query(
        "update function_schedules set next_run_at = (extract(epoch from clock_timestamp()) * 1000)::int8",
      );
      const finished = "select 1 from function_schedules where runs = $1 and lease_owner is null";
      while ((await cluster.database.query(finished, [tick])).length === 0) await delay(50);
    }
    const path = `/api/management/apps/${app.app_id}/logs`;
    for (const node of cluster.nodes) {
      let printed: readonly string[] = [];
      while (printed.length < TICKS) {
        const records = (await asBuilder(node, app, "GET", path)).list("records");
        printed = records.map((record) => record.text("message"));
      }
      expect(printed).toEqual(Array.from({ length: TICKS }, () => 'tick {"year":true}'));
    }
    // A second node that had run the same tick would have counted it, too.
    expect(await cluster.database.query("select runs, missed from function_schedules")).toEqual([
      { runs: String(TICKS), missed: "0" },
    ]);
  },
);

it("calls a deployment on every node within a second, and a secret's new value too", { tags: "all" }, async () => {
  const cluster = await startCluster((await startSimulated()).url);
  const app = await appOf(cluster);
  const [first, ...others] = cluster.nodes;
  if (first === undefined) throw new Error("The cluster has no node.");
  const deploy = (word: string) =>
    asBuilder(first, app, "PUT", `/api/apps/${app.app_id}/backend-functions/greet`, {
      entry: "entry.js",
      files: [{ path: "entry.js", content: `Deno.serve(() => new Response("${word} " + Deno.env.get("NAME")));` }],
    });
  const setName = (name: string) => asBuilder(first, app, "POST", `/api/apps/${app.app_id}/secrets`, { NAME: name });
  await setName("Ada");
  for (const [word, name] of [
    ["hello", "Ada"],
    ["goodbye", "Ada"],
    ["goodbye", "Bob"],
  ] as const) {
    await deploy(word);
    await setName(name);
    for (const node of others) expect(await saysWithin(node, app, `${word} ${name}`)).toBeLessThan(1_000);
  }
});

/**
 * Calls the function until it replies with `text`. Returns how long it could be replying otherwise.
 */
async function saysWithin(node: Site, app: App, text: string): Promise<number> {
  const started_at = performance.now();
  let asked_at = started_at;
  for (;;) {
    asked_at = performance.now();
    const reply = await fetch(`${node.server_url}/api/apps/${app.app_id}/functions/greet`, { method: "POST" });
    if ((await reply.text()) === text) return asked_at - started_at;
    if (asked_at - started_at > 10_000) throw new Error(`${node.server_url} does not reply with ${text}.`);
    await delay(20);
  }
}

it("requires the master key, explains how to create one, and prints no password from the command line", async () => {
  const home = temporaryDirectory();
  const keyless = await holdfast(["serve", "--json"], {
    home,
    env: { HOLDFAST_DATABASE_URL: "postgres://holdfast:hunter2@127.0.0.1:1/holdfast" },
  });
  expect(keyless.exit_code).toBe(78);
  expect(keyless.stdout + keyless.stderr).toContain("openssl rand -base64 32");
  const with_flag = await holdfast(
    ["serve", "--json", "--database-url", "postgres://holdfast:hunter2@127.0.0.1:1/holdfast"],
    {
      home,
      env: { HOLDFAST_MASTER_KEY: MASTER_KEY },
    },
  );
  expect(with_flag.exit_code).toBe(78);
  const unreachable = await holdfast(["apps", "list", "--json"], {
    home,
    env: {
      HOLDFAST_MASTER_KEY: MASTER_KEY,
      HOLDFAST_DATABASE_URL: "postgres://holdfast:hunter2@127.0.0.1:1/holdfast",
    },
  });
  expect(unreachable.exit_code).toBe(6);
  for (const { stdout, stderr } of [keyless, with_flag, unreachable]) expect(stdout + stderr).not.toContain("hunter2");
});
