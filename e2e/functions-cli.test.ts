/**
 * `holdfast functions` and `holdfast secrets`, on the server's machine and from another one, and a
 * server that runs functions from a directory.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it, vi } from "vitest";
import { holdfast, startHoldfast, startInteractive, type Ended } from "./support/holdfast.ts";
import { parseJson, type Json } from "./support/json.ts";
import { startRemoteStage, type RemoteStage } from "./support/remote-stage.ts";
import { createApp, prepareSite, startSimulated, type App, type Site } from "./support/server.ts";

const NIGHTLY = JSON.stringify({
  type: "scheduled",
  name: "nightly",
  schedule_mode: "recurring",
  schedule_type: "cron",
  cron_expression: "0 3 * * *",
});
const ORDERS = JSON.stringify({ type: "entity", name: "orders", entity_name: "Order", event_types: ["create"] });
const printing = (expression: string): string => `Deno.serve(() => Response.json(${expression}));\n`;

function write(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

async function call({ server_url }: Pick<Site, "server_url">, { app_id }: App, name: string): Promise<string> {
  const reply = await fetch(`${server_url}/api/apps/${app_id}/functions/${name}`, { method: "POST" });
  return `${reply.status} ${await reply.text()}`;
}

/** Runs a command for the stage's app. */
type Run = (args: readonly string[], stdin?: string) => Promise<Ended>;

const places: readonly (readonly [string, (stage: RemoteStage) => Run])[] = [
  [
    "from another machine",
    ({ home, env, app }) =>
      (args, stdin = "") =>
        holdfast([...args, "--app", app.app_id], { home, env, stdin }),
  ],
  [
    "on the server's machine",
    ({ site, app }) =>
      (args, stdin = "") =>
        holdfast([...args, "--app", app.app_id, "--data-dir", site.data_dir], { home: site.home, stdin }),
  ],
];

async function json(run: Run, ...args: string[]): Promise<Json> {
  const { exit_code, stdout, stderr } = await run([...args, "--json"]);
  expect([args, exit_code, stderr]).toEqual([args, 0, expect.any(String)]);
  return parseJson(stdout);
}

async function walk(_place: string, runOn: (stage: RemoteStage) => Run): Promise<void> {
  const stage = await startRemoteStage();
  const { site, app } = stage;
  const run = runOn(stage);
  const folder = write(join(site.home, "project"), {
    "functions/hello/entry.ts": printing('"one"'),
    "functions/single.ts": printing('"single"'),
    "functions/hello/function.jsonc": `{ "name": "hello", "entry": "entry.ts", "automations": [${NIGHTLY}, ${ORDERS}] }`,
    "functions/crm/sync/index.ts": `import { word } from "../../../shared/word.ts";\n${printing("word")}`,
    "shared/word.ts": 'export const word = "shared";\n',
  });
  const functions = join(folder, "functions");
  const first = await run(["functions", "deploy", functions]);
  expect([first.exit_code, first.stdout.trim().split("\n")]).toEqual([
    0,
    ["crm/sync: deployed as version 1", "hello: deployed as version 1", "single: deployed as version 1"],
  ]);
  expect(first.stderr).toContain("hello: The automation orders is stored only");
  // A project stands for its directory of functions. Nothing in shared/ becomes a function.
  const again = await run(["functions", "deploy", folder]);
  expect([again.exit_code, again.stdout.trim().split("\n")]).toEqual([
    0,
    ["crm/sync: unchanged, version 1", "hello: unchanged, version 1", "single: unchanged, version 1"],
  ]);
  const live = async (name: string, text: string): Promise<void> =>
    vi.waitFor(async () => expect(await call(site, app, name)).toBe(`200 "${text}"`), { timeout: 20_000 });
  await live("hello", "one");
  await live("crm/sync", "shared");
  await live("single", "single");

  write(functions, { "hello/entry.ts": printing('"two"'), "broken/entry.ts": "const = 1;" });
  const second = await run(["functions", "deploy", functions]);
  expect([second.exit_code, second.stdout]).toEqual([1, expect.stringMatching(/broken: failed: .*entry\.ts:1/)]);
  expect(second.stdout).toContain("single: unchanged, version 1");
  await live("hello", "two");
  const versions = (await json(run, "functions", "versions", "hello")).list("versions");
  expect(versions.map((one) => [one.get("number").value, one.get("is_live").value])).toEqual([
    [2, true],
    [1, false],
  ]);
  expect((await json(run, "functions", "rollback", "hello")).value).toEqual({ name: "hello", version: 1 });
  await live("hello", "one");
  expect((await run(["functions", "rollback", "hello", "--to", "7"])).exit_code).toBe(4);

  const listed = (await json(run, "functions", "list")).list("functions");
  expect(listed.map((one) => one.text("name"))).toEqual(["crm/sync", "hello", "single"]);
  expect(JSON.stringify(listed[1]?.get("automations").value)).toBe(`[${NIGHTLY},${ORDERS}]`);
  expect(listed.map((one) => one.get("version").value)).toEqual([1, 1, 1]);
  await json(run, "functions", "rollback", "hello", "--to", "2");
  expect((await json(run, "functions", "list")).list("functions")[1]?.get("version").value).toBe(2);
  const [table = "", automations = ""] = (await run(["functions", "list"])).stdout.split("\n\n");
  expect(table).toMatch(/^NAME +ENTRY +FILES +AUTOMATIONS +LIVE VERSION\n/);
  expect(table).toMatch(/\nhello +entry\.ts +\d +2 +2\n/);
  expect(automations).toMatch(/hello +nightly +\d{4}-\d\d-\d\d 03:00 +- +- +0\n/);
  expect(automations).toMatch(/hello +orders +- +- +stored only +-/);
  expect((await run(["functions", "delete", "single"])).exit_code).toBe(0);
  expect((await run(["functions", "delete", "single"])).exit_code).toBe(4);
}

it.each(places)("deploys, lists, rolls back and deletes functions %s", { tags: "all" }, walk);

it.each(places)(
  "sets secrets from stdin, a file and arguments %s, and prints no value",
  { tags: "all" },
  async (_place, runOn) => {
    const stage = await startRemoteStage();
    const { site, app } = stage;
    const run = runOn(stage);
    const functions = write(join(site.home, "functions"), { "env.ts": printing("Deno.env.toObject()") });
    expect((await run(["functions", "deploy", functions])).exit_code).toBe(0);
    const file = join(
      write(site.home, { "prod.env": "# ours\nFILED='canary-2'\nexport OTHER=canary-3\n" }),
      "prod.env",
    );
    const set = [
      await run(["secrets", "set", "PIPED"], "canary-1\n"),
      await run(["secrets", "set", "--env-file", file]),
      await run(["secrets", "set", "TYPED=canary-4=4"]),
    ];
    expect(set.map(({ exit_code }) => exit_code)).toEqual([0, 0, 0]);
    expect(set.map(({ stdout, stderr }) => stdout + stderr).join("")).not.toContain("canary");
    expect(set[2]?.stderr).toContain("process lists");
    const values = { FILED: "canary-2", OTHER: "canary-3", PIPED: "canary-1", TYPED: "canary-4=4" };
    await vi.waitFor(async () => expect(await call(site, app, "env")).toBe(`200 ${JSON.stringify(values)}`), {
      timeout: 5_000,
    });
    expect((await json(run, "secrets", "list")).value).toEqual({ secrets: Object.keys(values) });
    expect((await run(["secrets", "delete", "TYPED"])).exit_code).toBe(0);
    expect((await run(["secrets", "delete", "TYPED"])).exit_code).toBe(4);
    const reserved = await run(["secrets", "set", "PATH"], "canary-5");
    expect([reserved.exit_code, reserved.stderr]).toEqual([1, expect.stringContaining("PATH")]);
    expect(reserved.stdout + reserved.stderr).not.toContain("canary");
    for (const args of [
      ["secrets", "set"],
      ["secrets", "set", "A", "B"],
      ["secrets", "set", "NOTHING_PIPED"],
      ["secrets", "set", "=x"],
    ])
      expect((await run(args)).exit_code).toBe(2);
  },
);

it(
  "runs the functions of a directory for one app, reloads a changed file, and prefers secrets from a file",
  { tags: "all" },
  async () => {
    const simulator = await startSimulated();
    const site = await prepareSite(simulator.url);
    const server = await site.start();
    const app = await createApp(site);
    const other = await createApp(site, "other");
    const args = ["--app", app.app_id, "--data-dir", site.data_dir];
    await holdfast(["secrets", "set", "STORED=1", "BOTH=stored", ...args], { home: site.home });
    server.signal("SIGTERM");
    await server.ended();

    const functions = write(join(site.home, "base44", "functions"), {
      "env/index.ts": printing("Deno.env.toObject()"),
      "named/function.jsonc": '{ "name": "renamed", "entry": "main.ts" } // ours',
      "named/main.ts": printing('"one"'),
    });
    const env_file = join(write(site.home, { ".env": "BOTH=file\nNODE_ENV=production\n" }), ".env");
    const dev = ["functions", "dev", functions, "--app", "shop", "--env-file", env_file, "--data-dir", site.data_dir];
    const { port } = new URL(site.server_url);
    const running = await startInteractive([...dev, "--port", port], { home: site.home }, /first account/);
    expect(running.output.stderr).toContain("NODE_ENV");
    expect(running.output.stdout).toContain(`Functions of shop: ${functions}. A change applies to the next call`);
    expect(await call(site, app, "env")).toBe('200 {"BOTH":"file","STORED":"1"}');
    expect(await call(site, app, "renamed")).toBe('200 "one"');
    write(functions, { "named/main.ts": printing('"two"'), "added.ts": printing('"added"') });
    expect(await call(site, app, "renamed")).toBe('200 "two"');
    expect(await call(site, app, "added")).toBe('200 "added"');
    expect(await call(site, other, "renamed")).toContain("404");
    const refused = await holdfast(
      ["functions", "delete", "renamed", "--app", app.app_id, "--server", site.server_url],
      {
        home: site.home,
        env: { HOLDFAST_API_KEY: app.api_key },
      },
    );
    expect([refused.exit_code, refused.stderr]).toEqual([5, expect.stringContaining("function_from_directory")]);
  },
);

it("says in one line which functions of a directory have schedules that do not run", { tags: "all" }, async () => {
  const site = await prepareSite((await startSimulated()).url);
  const server = await site.start();
  const app = await createApp(site);
  server.signal("SIGTERM");
  await server.ended();
  const scheduled = (...automations: readonly string[]) => `{ "automations": [${automations.join(", ")}] }`;
  const functions = write(join(site.home, "functions"), {
    "report/entry.ts": printing('"report"'),
    "report/function.jsonc": scheduled(NIGHTLY, NIGHTLY.replaceAll("nightly", "again")),
    "cleanup/entry.ts": printing('"cleanup"'),
    "cleanup/function.jsonc": scheduled(NIGHTLY),
    "paused/entry.ts": printing('"paused"'),
    "paused/function.jsonc": scheduled(NIGHTLY.replace("{", '{"is_active": false, ')),
    "stored/entry.ts": printing('"stored"'),
    "stored/function.jsonc": scheduled(ORDERS),
  });
  const serve = ["serve", "--data-dir", site.data_dir, "--port", new URL(site.server_url).port];
  const running = await startHoldfast([...serve, "--functions", functions, "--functions-app", app.app_id], {
    home: site.home,
  });
  const notes = () => running.output.stderr.split("\n").filter((line) => line.includes("chedules"));
  await expect
    .poll(notes)
    .toEqual([
      "The schedules of these functions do not run, because a directory serves them: cleanup, report. To run them, deploy: holdfast functions deploy",
    ]);
});

it("does not start with a directory of functions but no app, or with an unknown app", async () => {
  const site = await prepareSite((await startSimulated()).url);
  const serve = ["serve", "--data-dir", site.data_dir, "--port", "0", "--functions", site.home];
  const unnamed = await holdfast(serve, { home: site.home });
  expect([unnamed.exit_code, unnamed.stderr]).toEqual([78, expect.stringContaining("--functions-app")]);
  const missing = await holdfast([...serve, "--functions-app", "nowhere"], { home: site.home });
  expect([missing.exit_code, missing.stderr]).toEqual([78, expect.stringContaining("There is no app nowhere")]);
});
