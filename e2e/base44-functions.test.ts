/**
 * Backend functions with the unmodified public command line: deploy, list, pull, delete, secrets
 * and logs, for people and with `--json`. The server is real, and the functions run.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it, vi } from "vitest";
import { base44, base44Json, startBase44, type Base44Options } from "./support/base44-cli.ts";
import { startRemoteStage } from "./support/remote-stage.ts";
import { setClient, type App, type Site } from "./support/server.ts";
import { parseJson } from "./support/json.ts";
import type { Builder } from "./support/builder.ts";

interface Stage {
  readonly site: Site;
  readonly app: App;
  readonly builder: Builder;
  /** The project's folder. Commands run there. */
  readonly project: string;
  readonly options: Base44Options;
}

const SHARED = `export const greet = (name: string) => "Hello, " + name;\n`;

const FUNCTIONS: Readonly<Record<string, string>> = {
  "hello/entry.ts": `
import { greet } from "../../shared/greet.ts";
Deno.serve(async (req) => {
  const { name } = await req.json();
  console.log("greeting", name);
  console.warn("a warning");
  return Response.json({ text: greet(name), suffix: Deno.env.get("SUFFIX") ?? null });
});
`,
  "crm/sync/index.ts": `
import { greet } from "../../../shared/greet.ts";
import { size } from "./lib/size.ts";
export default async (req: Request) => Response.json({ text: greet("crm"), size: size(await req.text()) });
`,
  "crm/sync/lib/size.ts": `export const size = (text: string) => text.length;\n`,
  "crm/sync/function.jsonc": `{
  // Written by hand.
  "name": "crm/sync",
  "entry": "index.ts",
  "automations": [
    {
      "type": "scheduled",
      "name": "Nightly",
      "schedule_mode": "recurring",
      "schedule_type": "cron",
      "cron_expression": "0 3 * * *"
    },
    { "type": "entity", "name": "On orders", "entity_name": "Order", "event_types": ["create"] },
    {
      "type": "connector",
      "name": "On mail",
      "integration_type": "gmail",
      "events": [],
      "trigger_conditions": { "logic": "or", "conditions": [{ "field": "a", "operator": "gt", "value": 1 }] }
    }
  ]
}
`,
};

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** Starts a server with an app, and writes a project that is linked to it. */
async function startStage(): Promise<Stage> {
  const { site, app, builder, home } = await startRemoteStage();
  const project = join(home, "shop");
  const link = { "config.jsonc": '{ "name": "shop" }', ".app.jsonc": `{ "id": "${app.app_id}" }` };
  write(join(project, "base44"), { ...link, "shared/greet.ts": SHARED });
  write(join(project, "base44/functions"), FUNCTIONS);
  const options = { server_url: site.server_url, home, cwd: project, api_key: app.api_key };
  return { site, app, builder, project, options };
}

const run = async (stage: Stage, ...args: readonly string[]) => {
  const { exit_code, stdout, stderr } = await base44(args, stage.options);
  return { exit_code, text: `${stdout}${stderr}` };
};
const json = (stage: Stage, ...args: readonly string[]) => base44Json(args, stage.options);

async function call({ site, app }: Stage, name: string, body: unknown): Promise<{ status: number; json: unknown }> {
  const reply = await fetch(`${site.server_url}/api/apps/${app.app_id}/functions/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: reply.status, json: parseJson(await reply.text()).value };
}

/** Another version of a function starts a process, and a log is stored in batches. */
const eventually = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 250 });

const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();

it("deploys functions with shared files, a nested name and automations, and they run", { tags: "all" }, async () => {
  const stage = await startStage();
  const deployed = await run(stage, "functions", "deploy");
  expect(deployed).toEqual({ exit_code: 0, text: expect.stringContaining("2 deployed") as unknown });
  expect(await call(stage, "hello", { name: "Ada" })).toEqual({
    status: 200,
    json: { text: "Hello, Ada", suffix: null },
  });
  expect(await call(stage, "crm/sync", [1])).toEqual({ status: 200, json: { text: "Hello, crm", size: 3 } });

  const again = await json(stage, "functions", "deploy");
  expect([again.exit_code, again.document.value]).toEqual([0, { output: "2 unchanged" }]);

  write(stage.project, { "base44/functions/hello/entry.ts": `export default () => Response.json("new");\n` });
  const changed = await json(stage, "functions", "deploy", "hello");
  expect([changed.exit_code, changed.document.value]).toEqual([0, { output: "1 deployed" }]);
  expect(await call(stage, "hello", {})).toEqual({ status: 200, json: "new" });
});

it("lists them, and pulls the same files", async () => {
  const stage = await startStage();
  expect(await run(stage, "functions", "list")).toEqual({
    exit_code: 0,
    text: expect.stringContaining("No functions on remote") as unknown,
  });
  await run(stage, "functions", "deploy");
  const listed = await run(stage, "functions", "list");
  expect(listed.exit_code).toBe(0);
  expect(listed.text).toMatch(/hello\n/);
  expect(listed.text).toMatch(/crm\/sync \(3 automations\)/);
  expect((await json(stage, "functions", "list")).document.value).toEqual({ output: "2 functions on remote" });

  const other = join(stage.options.home, "other");
  write(join(other, "base44"), {
    "config.jsonc": '{ "name": "shop" }',
    ".app.jsonc": `{ "id": "${stage.app.app_id}" }`,
  });
  const pulled = await base44Json(["functions", "pull"], { ...stage.options, cwd: other });
  expect([pulled.exit_code, pulled.document.text("output")]).toEqual([
    0,
    expect.stringContaining("Pulled 2 functions") as unknown,
  ]);
  const [theirs, ours] = [join(other, "base44"), join(stage.project, "base44")];
  const added = ["functions/hello/function.jsonc"];
  expect(filesBelow(theirs)).toEqual([...filesBelow(ours), ...added].toSorted());
  for (const path of ["shared/greet.ts", ...Object.keys(FUNCTIONS).map((name) => `functions/${name}`)])
    expect([path, readFileSync(join(theirs, path), "utf8")]).toEqual([path, readFileSync(join(ours, path), "utf8")]);

  // What was pulled deploys as the same functions.
  const again = await base44Json(["functions", "deploy"], { ...stage.options, cwd: other });
  expect(again.exit_code).toBe(0);
  const unchanged = await base44(["functions", "pull"], { ...stage.options, cwd: other });
  expect(`${unchanged.stdout}${unchanged.stderr}`).toMatch(/hello +unchanged/);
});

it("deploys a function whose entry is below its folder, and pulls it to the same places", { tags: "all" }, async () => {
  const stage = await startStage();
  const files: Readonly<Record<string, string>> = {
    "report/function.jsonc": '{ "name": "reports", "entry": "src/main.ts" }',
    "report/src/main.ts": `import { sum } from "../lib/sum.ts";\nexport default () => Response.json(sum(1, 2));\n`,
    "report/lib/sum.ts": `export const sum = (a: number, b: number): number => a + b;\n`,
  };
  const functions = join(stage.project, "base44/functions");
  write(functions, files);
  expect((await run(stage, "functions", "deploy", "reports")).exit_code).toBe(0);
  expect(await call(stage, "reports", {})).toEqual({ status: 200, json: 3 });
  rmSync(functions, { recursive: true });
  expect((await run(stage, "functions", "pull")).exit_code).toBe(0);
  for (const path of ["src/main.ts", "lib/sum.ts", "function.jsonc"]) {
    const pulled = readFileSync(join(functions, "reports", path), "utf8");
    expect([path, pulled]).toEqual([path, files[`report/${path}`]]);
  }
  expect((await run(stage, "functions", "deploy")).text).toContain("1 unchanged");
});

it("deletes a function, reports a missing one, and prunes with --force", { tags: "all" }, async () => {
  const stage = await startStage();
  await run(stage, "functions", "deploy");
  const deleted = await json(stage, "functions", "delete", "crm/sync");
  expect([deleted.exit_code, deleted.document.value]).toEqual([0, { output: 'Function "crm/sync" deleted' }]);
  expect(await call(stage, "crm/sync", {})).toMatchObject({ status: 404, json: { code: "function_not_found" } });
  expect(await run(stage, "functions", "delete", "crm/sync")).toEqual({
    exit_code: 0,
    text: expect.stringContaining('Function "crm/sync" not found') as unknown,
  });

  rmSync(join(stage.project, "base44/functions/hello"), { recursive: true });
  const pruned = await run(stage, "functions", "deploy", "--force");
  expect(pruned.exit_code).toBe(0);
  expect(pruned.text).toMatch(/hello +deleted/);
  expect((await json(stage, "functions", "list")).document.value).toEqual({ output: "1 function on remote" });
});

it("keeps the old version when a deployment fails, and names file and line", { tags: "all" }, async () => {
  const stage = await startStage();
  await run(stage, "functions", "deploy");
  write(stage.project, { "base44/functions/hello/entry.ts": `import "./missing.ts";\nexport default () => null;\n` });
  const failed = await run(stage, "functions", "deploy", "hello");
  expect(failed.exit_code).toBe(1);
  expect(failed.text).toMatch(/\.\/missing\.ts/);
  expect(failed.text).toMatch(/entry\.ts/);
  expect(await call(stage, "hello", { name: "Ada" })).toMatchObject({ status: 200, json: { text: "Hello, Ada" } });
});

it("sets, lists and deletes secrets, which functions see immediately", { tags: "all" }, async () => {
  const stage = await startStage();
  await run(stage, "functions", "deploy", "hello");
  const set = await json(stage, "secrets", "set", "SUFFIX=!", "OTHER=a=b");
  expect([set.exit_code, set.document.value]).toEqual([0, { output: "Secrets set successfully." }]);
  await eventually(async () =>
    expect(await call(stage, "hello", { name: "Ada" })).toMatchObject({ json: { suffix: "!" } }),
  );

  writeFileSync(join(stage.project, "some.env"), 'SUFFIX="?"\nTHIRD=3\n');
  const from_file = await run(stage, "secrets", "set", "--env-file", "some.env");
  expect(from_file).toEqual({ exit_code: 0, text: expect.stringContaining("Set: SUFFIX, THIRD") as unknown });
  await eventually(async () =>
    expect(await call(stage, "hello", { name: "Ada" })).toMatchObject({ json: { suffix: "?" } }),
  );

  const listed = await run(stage, "secrets", "list");
  expect(listed.exit_code).toBe(0);
  for (const name of ["SUFFIX", "OTHER", "THIRD"]) expect(listed.text).toContain(name);
  expect(listed.text).not.toContain("a=b");
  expect((await json(stage, "secrets", "list")).document.value).toEqual({ output: "Found 3 secrets." });

  const deleted = await json(stage, "secrets", "delete", "SUFFIX");
  expect([deleted.exit_code, deleted.document.value]).toEqual([0, { output: "Secret deleted successfully." }]);
  await eventually(async () =>
    expect(await call(stage, "hello", { name: "Ada" })).toMatchObject({ json: { suffix: null } }),
  );

  expect(await run(stage, "secrets", "delete", "OTHER")).toEqual({
    exit_code: 0,
    text: expect.stringContaining("Secret deleted successfully.") as unknown,
  });
  expect((await json(stage, "secrets", "list")).document.value).toEqual({ output: "Found 1 secrets." });

  const refused = await json(stage, "secrets", "set", "GOOD=1", "LD_PRELOAD=x");
  expect([refused.exit_code, refused.document.text("error")]).toEqual([
    1,
    expect.stringContaining("LD_PRELOAD") as unknown,
  ]);
  expect((await run(stage, "secrets", "list")).text).not.toContain("GOOD");
});

it("reads a function's log, for people and as JSON, and follows it", { tags: "all" }, async () => {
  const stage = await startStage();
  await run(stage, "functions", "deploy");
  const following = startBase44(["logs", "--function", "hello", "--follow", "--json"], stage.options);
  await call(stage, "hello", { name: "Ada" });

  await eventually(async () => {
    const { document } = await json(stage, "logs", "--function", "hello");
    const lines = document.value;
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ level: "info", message: "[hello] greeting Ada", source: "hello" }),
        expect.objectContaining({ level: "warning", message: "[hello] a warning", source: "hello" }),
      ]),
    );
  });
  const text = await run(stage, "logs");
  expect(text.exit_code).toBe(0);
  expect(text.text).toMatch(/INFO +\[hello\] greeting Ada/);
  const warnings = await run(stage, "logs", "--function", "hello", "--level", "warning");
  expect(warnings.text).not.toContain("greeting");

  await eventually(async () => {
    await call(stage, "hello", { name: "Grace" });
    expect(following.output.stdout).toContain("greeting Grace");
  });
  const unknown = await run(stage, "logs", "--function", "helo");
  expect(unknown.exit_code).toBe(1);
  expect(unknown.text).toMatch(/"helo" was not found[\s\S]*crm\/sync/);
});

it("deploys a project with functions and connectors in one command", { tags: "all" }, async () => {
  const stage = await startStage();
  await setClient(stage.site, stage.app, "slack", "sim-ok");
  write(join(stage.project, "base44"), { "connectors/slack.jsonc": '{ "type": "slack", "scopes": ["chat:write"] }' });
  const deployed = await run(stage, "deploy", "-y");
  expect(deployed.exit_code).toBe(0);
  expect(deployed.text).toMatch(/hello +deployed/);
  expect(deployed.text).toContain("Some connectors still require authorization");

  const pushed = await json(stage, "connectors", "push", "-y");
  const [slack] = pushed.document.list("results");
  await stage.builder.connect(slack?.text("redirectUrl") ?? "");
  const again = await json(stage, "deploy", "-y");
  expect([again.exit_code, again.document.value]).toEqual([0, { output: "App deployed successfully" }]);

  write(stage.project, { "base44/functions/hello/entry.ts": "export default 1 +;\n" });
  const failed = await json(stage, "deploy", "-y");
  expect([failed.exit_code, failed.document.text("error")]).toEqual([
    1,
    expect.stringContaining("Function deployment failed") as unknown,
  ]);
  expect(existsSync(join(stage.project, "base44/functions/hello"))).toBe(true);
});
