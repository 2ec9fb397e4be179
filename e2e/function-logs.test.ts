/**
 * Logs and schedules of functions as a builder sees them: with the unmodified public command line,
 * and with `holdfast logs` on the server's machine and from another one.
 */
import { setTimeout as delay } from "node:timers/promises";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { base44, base44Json, startBase44, type Base44Ended, type Base44Options } from "./support/base44-cli.ts";
import { holdfast, startInteractive, type Running } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import { createApp, deployFunction, prepareSite, startSimulated, type App, type Site } from "./support/server.ts";

const TALKS = `interface Unused { a: 1 }

export default async (request: Request) => {
  const word = await request.text();
  console.debug("debug", word);
  console.log("said", word, { nested: [1] });
  console.warn("careful\\n\\u001b[31mred " + word);
  if (word === "boom") throw new Error("boom");
  return new Response("ok");
};
`;

interface Stage {
  readonly server: Running;
  readonly site: Site;
  readonly app: App;
  readonly options: Base44Options;
}

async function startStage(): Promise<Stage> {
  const simulator = await startSimulated();
  const site = await prepareSite(simulator.url);
  const server = await site.start();
  const app = await createApp(site);
  const home = join(site.home, "builder");
  mkdirSync(home);
  await deployFunction(site, app, "crm/talks", TALKS);
  return { server, site, app, options: { server_url: site.server_url, home, api_key: app.api_key } };
}

async function call({ site, app }: Stage, word: string): Promise<number> {
  const url = `${site.server_url}/api/apps/${app.app_id}/functions/crm/talks`;
  const reply = await fetch(url, { method: "POST", body: word, headers: { "x-request-id": `req-${word}` } });
  await reply.text();
  return reply.status;
}

/** Waits until a text is printed. */
async function printed(output: { readonly stdout: string }, text: string): Promise<void> {
  while (!output.stdout.includes(text)) await delay(50);
}

/** Lists logs until a text is among them. A function's output is stored after its response. */
async function logged(wanted: string, args: readonly string[], options: Base44Options): Promise<Base44Ended> {
  for (;;) {
    const shown = await base44(args, options);
    if (shown.exit_code !== 0 || shown.stdout.includes(wanted)) return shown;
  }
}

it("shows logs with the public command line: as text, as a document, and live", async () => {
  const stage = await startStage();
  const { app, options } = stage;
  expect([await call(stage, "hello"), await call(stage, "boom")]).toEqual([200, 502]);
  const appArgs = ["--app-id", app.app_id];

  const text = await logged("Error: boom", ["logs", ...appArgs], options);
  expect(text.exit_code).toBe(0);
  expect(text.stdout).toContain("[crm/talks] said hello { nested: [ 1 ] }");
  expect(text.stdout).toMatch(/ERROR \[crm\/talks\] Error: boom\n {4}at .*\(entry\.ts:8:/);
  expect(text.stdout).not.toContain("\u001b");

  const errors = await base44Json(["logs", "--function", "crm/talks", "--level", "error", ...appArgs], options);
  expect(errors.document.value).toEqual([
    {
      time: expect.stringMatching(/Z$/) as unknown,
      level: "error",
      message: expect.stringContaining("[crm/talks] Error: boom") as unknown,
      source: "crm/talks",
    },
  ]);

  const live = startBase44(["logs", "--follow", ...appArgs], options);
  while (!live.output.stdout.includes("said live")) {
    await call(stage, "live");
    await delay(500);
  }
  expect(live.output.stdout).not.toContain("said hello");

  const unknown = await base44(["logs", "--function", "nothing", ...appArgs], options);
  expect(unknown.exit_code).toBe(1);
  expect(`${unknown.stdout}${unknown.stderr}`).toContain("crm/talks");
});

it(
  "shows logs with holdfast logs, locally and from another machine, including those from before a restart",
  { tags: "all" },
  async () => {
    const stage = await startStage();
    const { server, site, app } = stage;
    await call(stage, "hello");
    server.signal("SIGTERM");
    await server.ended();
    await site.start();
    const env = { HOLDFAST_API_KEY: app.api_key };
    const here = ["--data-dir", site.data_dir, "--app", app.app_id];
    const there = ["--server", site.server_url, "--app", app.app_id];

    const remote = await holdfast(["logs", "crm/talks", "--level", "info", ...there], { home: site.home, env });
    expect(remote.exit_code).toBe(0);
    expect(remote.stdout.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "AT")).toBe(
      [
        "AT  INFO     crm/talks  said hello { nested: [ 1 ] }  (req-hello)",
        "AT  WARNING  crm/talks  careful  (req-hello)",
        "    red hello",
        "",
      ].join("\n"),
    );
    const local = await holdfast(["logs", "--since", "1h", "-n", "1", "--json", ...here], { home: site.home });
    expect(
      parseJson(local.stdout)
        .list("records")
        .map((record) => record.text("message")),
    ).toEqual(["careful\nred hello"]);

    const live = await startInteractive(["logs", "-f", "--json", ...there], { home: site.home, env }, /req-hello/);
    await call(stage, "later");
    await printed(live.output, "said later");
    const lines = live.output.stdout.trim().split("\n");
    expect(new Set(lines).size).toBe(lines.length);

    const none = await holdfast(["logs", "nothing", ...there], { home: site.home, env });
    expect([none.exit_code, none.stderr]).toEqual([4, expect.stringContaining("function_not_found")]);
    const wrong = await holdfast(["logs", "--since", "soon", ...there], { home: site.home, env });
    expect(wrong.exit_code).toBe(2);
  },
);
