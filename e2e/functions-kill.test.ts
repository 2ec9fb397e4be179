/**
 * Kills the server, a function's process and the bundler at ten points. Nothing lives on, and the
 * next call works. The processes are found from outside, as an operator finds them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { descendantsOf } from "../packages/server/test/support/processes.ts";
import type { Running } from "./support/holdfast.ts";
import { asBuilder, createApp, prepareSite, startSimulated, type App, type Site } from "./support/server.ts";

const WORK = `
  import { waitUntil } from "base44:runtime";
  const never = new Promise(() => {});
  Deno.serve(async (request) => {
    const step = new URL(request.url).searchParams.get("step");
    if (step === "hang") { console.log("hanging"); await never; }
    if (step === "later") waitUntil(never);
    if (step !== "stream") return new Response("ok");
    return new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) }));
  });`;
const GONE_WITHIN_MS = 5_000;

interface Stage {
  readonly site: Site;
  readonly app: App;
  readonly server: Running;
}

interface Found {
  readonly pid: number;
  readonly command: string;
}

async function ready(): Promise<Stage> {
  const site = await prepareSite((await startSimulated()).url);
  const server = await site.start();
  const stage = { site, app: await createApp(site), server };
  await deploy(stage, WORK);
  return stage;
}

const deploy = ({ site, app }: Stage, content: string) =>
  asBuilder(site, app, "PUT", `/api/apps/${app.app_id}/backend-functions/work`, {
    entry: "entry.js",
    files: [{ path: "entry.js", content }],
  });

const call = ({ site, app }: Stage, step = ""): Promise<Response> =>
  fetch(`${site.server_url}/api/apps/${app.app_id}/functions/work?step=${step}`, { method: "POST" });

/** Returns the processes below one. One that exits meanwhile is left out. */
const foundBelow = (pid: number): readonly Found[] =>
  descendantsOf(pid).flatMap((child) => {
    const command = commandOf(child);
    return command === null ? [] : [{ pid: child, command }];
  });

function commandOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return null;
  }
}

const isFunction = ({ command }: Found): boolean => command.startsWith("/runtime/deno run");
const isBundler = ({ command }: Found): boolean =>
  command.startsWith("/runtime/node") && !command.includes("/runtime/launcher.mjs");

async function found({ server }: Stage, wanted: (process: Found) => boolean): Promise<number> {
  for (;;) {
    const process = foundBelow(server.pid).find(wanted);
    if (process !== undefined) return process.pid;
    await delay(2);
  }
}

async function hasLogged({ site, app }: Stage, text: string): Promise<void> {
  const path = `/api/management/apps/${app.app_id}/logs`;
  for (;;) {
    const records = (await asBuilder(site, app, "GET", path)).list("records");
    if (records.some((record) => record.text("message").includes(text))) return;
    await delay(20);
  }
}

async function expectGone(processes: readonly Found[]): Promise<void> {
  const deadline = performance.now() + GONE_WITHIN_MS;
  const left = (): readonly string[] =>
    processes.filter(({ pid, command }) => commandOf(pid) === command).map(({ command }) => command);
  while (left().length > 0 && performance.now() < deadline) await delay(20);
  expect(left()).toEqual([]);
}

/** Each brings the server to a point, and leaves the call or deployment of that point running. */
const POINTS: Readonly<Record<string, (stage: Stage) => Promise<unknown>>> = {
  "while a function computes its reply": async (stage) => {
    void call(stage, "hang").catch(() => {});
    await hasLogged(stage, "hanging");
  },
  "while a function starts": async (stage) => {
    void call(stage).catch(() => {});
    await found(stage, ({ command }) => command.includes("bwrap"));
  },
  "while a reply streams": async (stage) => await (await call(stage, "stream")).body?.getReader().read(),
  "while work goes on after a reply": async (stage) => await (await call(stage, "later")).text(),
  "while a function is idle": async (stage) => await (await call(stage)).text(),
  "before any call": async () => {},
  "while a function is bundled": async (stage) => {
    void deploy(stage, `${WORK} // again`).catch(() => {});
    await found(stage, isBundler);
  },
};

const [FIRST = "", ...OTHERS] = Object.keys(POINTS);
it.each([FIRST])("the server killed %s leaves no process and no folder, and starts again", killAt);
it.each(OTHERS)("the server killed %s leaves no process and no folder, and starts again", { tags: "all" }, killAt);

async function killAt(point: string): Promise<void> {
  const stage = await ready();
  await POINTS[point]?.(stage);
  const processes = foundBelow(stage.server.pid);
  const left = foldersOf(stage);
  expect(left.length).toBeGreaterThan(0);
  stage.server.signal("SIGKILL");
  await stage.server.ended();
  await expectGone(processes);
  const again = { ...stage, server: await stage.site.start() };
  expect(await (await call(again)).text()).toBe("ok");
  expect(foldersOf(stage)).toEqual([]);
}

/**
 * Returns the temporary folders of a server's functions, in each place where it can create them.
 */
function foldersOf({ site, server }: Stage): readonly string[] {
  return [tmpdir(), "/tmp", join(site.home, "tmp")].flatMap((parent) =>
    readdirSync(parent).filter((name) => name.startsWith(`holdfast-functions-${server.pid}.`)),
  );
}

it("a function's process killed while it computes its reply fails that call only", { tags: "all" }, async () => {
  const stage = await ready();
  const running = call(stage, "hang");
  await hasLogged(stage, "hanging");
  process.kill(await found(stage, isFunction), "SIGKILL");
  expect((await running).status).toBe(502);
  expect(await (await call(stage)).text()).toBe("ok");
});

it("a function's process killed while its reply streams breaks off that reply only", { tags: "all" }, async () => {
  const stage = await ready();
  const reader = (await call(stage, "stream")).body!.getReader();
  await reader.read();
  process.kill(await found(stage, isFunction), "SIGKILL");
  await expect(reader.read()).rejects.toThrow("terminated");
  expect(await (await call(stage)).text()).toBe("ok");
});

it("a killed bundler fails its deployment only, and the version before it stays live", { tags: "all" }, async () => {
  const stage = await ready();
  const outcome = deploy(stage, `${WORK} // again`).catch((error: unknown) => error);
  process.kill(await found(stage, isBundler), "SIGKILL");
  expect(String(await outcome)).toContain("function_bundler_failed");
  expect(stage.server.output.stderr).toMatch(/"function_name":"work"[^\n]*"event":"function_bundler_failed"/);
  expect(await (await call(stage)).text()).toBe("ok");
  await deploy(stage, `${WORK} // once more`);
  expect(await (await call(stage)).text()).toBe("ok");
});
