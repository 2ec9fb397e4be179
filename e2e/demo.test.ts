/** The demo as a new user meets it: one command, nothing to register, nothing left behind. */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, vi } from "vitest";
import { createSimulatedUser } from "../packages/server/src/cli/demo/simulated-user.ts";
import { holdfast, startHoldfast, startInteractive } from "./support/holdfast.ts";
import { parseJson, type Json } from "./support/json.ts";
import { SERVICES } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const KEYS =
  "server_url app_id workspace_id service_token api_key setup_url simulator_url connected function_result".split(" ");
const leftOvers = (home: string): readonly string[] => readdirSync(join(home, "tmp"));

const inShell = async (line: string): Promise<string> => (await promisify(execFile)("sh", ["-c", line])).stdout;

function expectDocument(document: Json): void {
  expect(document.keys().toSorted()).toEqual(KEYS.toSorted());
  expect(document.list("connected").map((one) => one.keys())).toEqual(
    SERVICES.map(() => ["integration_type", "status", "account"]),
  );
  expect(
    document
      .list("connected")
      .map((one) => one.text("integration_type"))
      .toSorted(),
  ).toEqual([...SERVICES]);
  expect(new Set(document.list("connected").map((one) => one.text("status")))).toEqual(new Set(["active"]));
  expect(document.get("function_result").value).toEqual({
    ok: true,
    channel: expect.stringMatching(/^C\w+$/) as unknown,
    text: "Hello from Holdfast",
  });
}

it("connects six services, calls a function and exits, within twenty seconds", async () => {
  const home = temporaryDirectory();
  const { exit_code, stdout, stderr, took_ms } = await holdfast(["demo", "--json", "--auto", "--once"], { home });

  expect({ exit_code, stderr }).toEqual({ exit_code: 0, stderr: "" });
  expect(took_ms).toBeLessThan(20_000);
  expect(stdout).toMatch(/^\{.*\}\n$/);
  expectDocument(parseJson(stdout));
  expect(leftOvers(home)).toEqual([]);
});

it(
  "keeps running without --once: each code was exchanged once, the printed link is unused, SIGTERM removes everything",
  { tags: "all" },
  async () => {
    const home = temporaryDirectory();
    const demo = await startHoldfast(["demo", "--auto"], { home });
    expectDocument(demo.ready);

    const ledger = parseJson(await (await fetch(`${demo.ready.text("simulator_url")}/_ledger`)).text());
    const exchanges = ledger.list("requests").filter((request) => request.text("kind") === "code_exchange");
    expect(exchanges.map((request) => request.text("outcome"))).toEqual(SERVICES.map(() => "ok"));
    expect(new Set(ledger.list("grants").map((grant) => grant.text("grant_id"))).size).toBe(SERVICES.length);

    const setup_url = demo.ready.text("setup_url");
    const builder = createSimulatedUser(demo.ready.text("server_url"));
    await builder.signIn(setup_url);
    await expect(createSimulatedUser(demo.ready.text("server_url")).signIn(setup_url)).rejects.toThrow("400");
    expect(leftOvers(home)).not.toEqual([]);

    demo.signal("SIGTERM");
    expect(await demo.ended()).toBe(0);
    expect(demo.output.stdout.trim().split("\n")).toHaveLength(1);
    expect(leftOvers(home)).toEqual([]);
  },
);

it("prints links and a curl command that work unchanged", { tags: "all" }, async () => {
  const home = temporaryDirectory();
  const demo = await startInteractive(["demo"], { home }, /Ctrl-C/);
  const text = demo.output.stdout;
  const found = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? `nothing in:\n${text}`;
  const server_url = found(/Holdfast demo at (http:\/\/localhost:\d+)/);
  const curl = found(/Call the demo function: +(curl .*)/);

  const before = parseJson(await inShell(curl));
  expect(before.text("code")).toBe("not_connected");

  const builder = createSimulatedUser(server_url);
  await builder.signIn(found(/Sign in \(works once\): +(\S+)/));
  await builder.connect(found(/Connect an account: +(\S+)/));
  expect(parseJson(await inShell(curl)).value).toMatchObject({ ok: true, text: "Hello from Holdfast" });

  const header = found(/As its user ada \(or bob\): +add (-H .*)/);
  const app_id = found(/\(app (app_\w+)\)/);
  const me = `curl -sS ${server_url}/api/apps/${app_id}/entities/User/me`;
  expect(parseJson(await inShell(me)).text("code")).toBe("missing_token");
  for (const [user, full_name] of [
    ["ada", "Ada Lovelace"],
    ["bob", "Bob Babbage"],
  ] as const)
    expect(parseJson(await inShell(`${me} ${header.replace("user=ada", `user=${user}`)}`)).text("full_name")).toBe(
      full_name,
    );

  demo.signal("SIGINT");
  expect(await demo.ended()).toBe(0);
  expect(leftOvers(home)).toEqual([]);
});

it("leaves nothing behind when it is interrupted before it is ready", { tags: "all" }, async () => {
  const home = temporaryDirectory();
  const demo = await startInteractive(["demo"], { home });
  await vi.waitFor(() => expect(leftOvers(home)).not.toEqual([]), { timeout: 20_000, interval: 5 });
  demo.signal("SIGINT");
  expect(await demo.ended()).toBe(0);
  expect(leftOvers(home)).toEqual([]);
});
