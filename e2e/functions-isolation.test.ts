/**
 * A server with functions on a machine whose sandbox does not work. The machine is this one, seen
 * through an outer bubblewrap that replaces the inner one's program.
 */
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { COMPILE_CACHE, LAUNCHER } from "./support/holdfast.ts";
import { createApp, prepareSite, startSimulated } from "./support/server.ts";

const BUBBLEWRAP = "/usr/bin/bwrap";

interface Refusal {
  readonly code: number;
  /** With --json, the error is one document. */
  readonly stdout: string;
}

/** Starts the server where `program` stands in the place of bubblewrap. Returns how it ended. */
async function serveWith(program: string): Promise<Refusal> {
  const site = await prepareSite((await startSimulated()).url);
  const { home, data_dir } = site;
  const first = await site.start();
  const { app_id } = await createApp(site);
  first.signal("SIGTERM");
  await first.ended();
  const functions = join(home, "functions");
  mkdirSync(functions);
  writeFileSync(join(functions, "hello.ts"), `Deno.serve(() => new Response("hello"));`);
  const stand_in = join(home, "bwrap");
  writeFileSync(stand_in, program);
  chmodSync(stand_in, program === "" ? 0o644 : 0o755);
  const serve = ["serve", "--data-dir", data_dir, "--provider-gateway", site.gateway, "--json"];
  const port = ["--port", new URL(site.server_url).port];
  const live = ["--functions", functions, "--functions-app", app_id];
  const outer = ["--dev-bind", "/", "/", "--bind", stand_in, BUBBLEWRAP, "--"];
  const args = [...outer, process.execPath, LAUNCHER, ...serve, ...port, ...live];
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: home, NODE_COMPILE_CACHE: COMPILE_CACHE };
  return await promisify(execFile)(BUBBLEWRAP, args, { env, timeout: 60_000 }).then(
    () => ({ code: 0, stdout: "" }),
    (error: Refusal) => error,
  );
}

it.each([["only runs its command", `#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done\nshift\nexec "$@"\n`]])(
  "the server does not start if bubblewrap %s, and says what to do",
  startsNot,
);
it.each([
  ["is missing", ""],
  ["does nothing", "#!/bin/sh\nexit 0\n"],
])("the server does not start if bubblewrap %s, and says what to do", { tags: "all" }, startsNot);

async function startsNot(_what: string, program: string): Promise<void> {
  const { code, stdout } = await serveWith(program);
  expect(code).toBe(78);
  expect(stdout).toContain("functions_isolation_unavailable");
  expect(stdout).toContain("--functions-isolation none");
}
