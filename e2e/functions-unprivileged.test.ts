/**
 * A whole server of an unprivileged user, with functions in the sandbox. Where the kernel forbids
 * such users their own namespaces, the server does not start and this test fails.
 */
import { chownSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { descendantsOf, statusOf } from "../packages/server/test/support/processes.ts";
import { holdfast, startHoldfast } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import { deployFunction, prepareSite, startSimulated } from "./support/server.ts";

/** No other process of this machine has it. */
const UID = 1_790_000_000 + (process.pid % 100_000);
const NONE = "0000000000000000";
const FUNCTION = `Deno.serve(async (request) => new Response("hello " + await request.text()));`;

it("a server of an unprivileged user deploys and runs functions in the sandbox", async () => {
  const site = await prepareSite((await startSimulated()).url);
  const { home, data_dir, server_url, gateway } = site;
  // Only root can become another user. Any other user is unprivileged already.
  const uid = process.getuid?.() === 0 ? UID : (process.getuid?.() ?? 0);
  for (const folder of [home, join(home, "tmp"), data_dir]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chownSync(folder, uid, uid);
  }
  const options = { home, uid };
  const place = ["--data-dir", data_dir];
  const port = new URL(server_url).port;
  const server = await startHoldfast(["serve", ...place, "--port", port, "--provider-gateway", gateway], options);
  const { stdout } = await holdfast(["apps", "create", "shop", ...place, "--json"], options);
  const created = parseJson(stdout);
  const app = { app_id: created.text("app_id"), api_key: created.text("api_key"), service_token: "" };
  await deployFunction(site, app, "hello", FUNCTION);
  const url = `${server_url}/api/apps/${app.app_id}/functions/hello`;
  expect(await (await fetch(url, { method: "POST", body: "Ada" })).text()).toBe("hello Ada");

  const processes = descendantsOf(server.pid);
  const isFunction = (pid: number): boolean =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("/runtime/deno\0run");
  const functions = processes.filter(isFunction);
  expect(functions).toHaveLength(1);
  for (const pid of processes) expect(statusOf(pid)["Uid"]).toBe([uid, uid, uid, uid].join("\t"));
  for (const pid of functions)
    expect(statusOf(pid)).toMatchObject({ CapEff: NONE, CapPrm: NONE, CapBnd: NONE, NoNewPrivs: "1", Seccomp: "2" });
  expect(statusOf(server.pid)["CapEff"]).toBe(NONE);
});
