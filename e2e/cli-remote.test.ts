/**
 * `holdfast connectors …` from another machine: over HTTP, with an API key or a login, and as files
 * beside an app's code.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { holdfast, LAUNCHER, startInteractive, type Ended } from "./support/holdfast.ts";
import { parseJson, type Json } from "./support/json.ts";
import { startRemoteStage, type RemoteStage } from "./support/remote-stage.ts";
import { setClient } from "./support/server.ts";
import { openTerminal } from "./support/terminal.ts";
import { createBuilder } from "./support/builder.ts";

async function startStage(): Promise<RemoteStage> {
  const stage = await startRemoteStage();
  const { site, app, home } = stage;
  for (const service of ["slack", "github", "googlecalendar"]) await setClient(site, app, service, "sim-ok");
  mkdirSync(join(home, "connectors"), { recursive: true });
  return { ...stage, env: { ...stage.env, HOLDFAST_APP_ID: app.app_id } };
}

const run = ({ home, env }: RemoteStage, args: readonly string[], stdin = ""): Promise<Ended> =>
  holdfast(["connectors", ...args], { home, env, stdin });

async function json(stage: RemoteStage, args: readonly string[]): Promise<[number | null, Json]> {
  const { exit_code, stdout } = await run(stage, [...args, "--json"]);
  expect(stdout).toMatch(/^\{.*\}\n$/);
  return [exit_code, parseJson(stdout)];
}

const writeFile = ({ home }: RemoteStage, name: string, text: string): void =>
  writeFileSync(join(home, "connectors", name), text);

const actionsOf = (document: Json): Record<string, string> =>
  Object.fromEntries(document.list("results").map((one) => [one.text("type"), one.text("action")]));

async function connect(stage: RemoteStage, service: string, ...scopes: string[]): Promise<void> {
  const scope_args = scopes.length === 0 ? [] : ["--scopes", ...scopes];
  const [, initiated] = await json(stage, ["initiate", service, ...scope_args]);
  await stage.builder.connect(initiated.text("redirect_url"));
}

it("initiates, waits until the builder has connected, lists, checks, disconnects and removes", async () => {
  const stage = await startStage();
  const available = await run(stage, ["list-available"]);
  expect([available.exit_code, available.stdout]).toEqual([0, expect.stringMatching(/\nslack +Slack/) as unknown]);

  const [exit_code, initiated] = await json(stage, ["initiate", "slack", "--scopes", "chat:write,users:read"]);
  expect([exit_code, initiated.keys().toSorted()]).toEqual([
    0,
    ["already_authorized", "connection_id", "redirect_url"],
  ]);
  const waiting = run(stage, ["wait", "slack", "--connection-id", initiated.text("connection_id")]);
  await stage.builder.connect(initiated.text("redirect_url"));
  const { exit_code: waited, stdout } = await waiting;
  expect([waited, stdout]).toEqual([0, "slack is connected.\n"]);

  expect((await run(stage, ["list"])).stdout).toMatch(/\nslack +active +ada\n/);
  expect((await json(stage, ["check"]))[1].list("connectors")[0]?.value).toEqual({
    integration_type: "slack",
    works: true,
    status: "active",
    problem: null,
  });
  const [unhealthy, checked] = await json(stage, ["check", "slack", "github"]);
  expect([unhealthy, checked.list("connectors").map((one) => one.text("status"))]).toEqual([1, ["active", "absent"]]);

  expect((await run(stage, ["disconnect", "slack"])).stdout).toBe("Disconnected slack.\n");
  const [broken, after] = await json(stage, ["check", "slack"]);
  expect([broken, after.list("connectors")[0]?.text("status")]).toEqual([1, "disconnected"]);
  expect((await run(stage, ["remove", "slack"])).stdout).toBe("Removed slack.\n");
  expect((await json(stage, ["list"]))[1].value).toEqual({ integrations: [] });
});

it(
  "pushes files: shows the changes, asks first, and exits 0 only when everything is connected",
  { tags: "all" },
  async () => {
    const stage = await startStage();
    await connect(stage, "slack", "chat:write");
    await connect(stage, "github");
    writeFile(stage, "slack.jsonc", '// Ours.\n{ "type": "slack", "owner": "sales", "scopes": ["users:read"] }\n');
    writeFile(stage, "googlecalendar.jsonc", '{ "type": "googlecalendar" }');
    writeFile(stage, "notion.jsonc", '{ "type": "notion", "scopes": [] }');

    const without_yes = await run(stage, ["push"]);
    expect(without_yes.exit_code).toBe(2);
    expect(without_yes.stderr).toContain("+ googlecalendar: new, with the default scopes\n+ notion: new");
    expect(without_yes.stderr).toContain(
      "~ slack: changed scopes\n    + users:read\n    - chat:write\n- github: removed",
    );
    expect(without_yes.stderr).toMatch(/Nothing was done\. To do it without a question: --yes\n\(usage\)/);
    expect((await json(stage, ["list"]))[1].list("integrations")).toHaveLength(2);

    const [exit_code, pushed] = await json(stage, ["push", "--yes"]);
    expect([exit_code, actionsOf(pushed)]).toEqual([
      1,
      { googlecalendar: "needs_oauth", notion: "error", slack: "needs_oauth", github: "removed" },
    ]);
    const failed = pushed.list("results").find((one) => one.text("type") === "notion");
    expect([failed?.text("code"), failed?.text("error")]).toEqual([
      "oauth_client_missing",
      expect.stringContaining("holdfast clients set notion") as unknown,
    ]);

    for (const one of pushed.list("results").filter((result) => result.text("action") === "needs_oauth"))
      await stage.builder.connect(one.text("redirect_url"));
    writeFile(stage, "notion.jsonc", '{ "type": "slack" }');
    const twice = await run(stage, ["push", "--yes"]);
    expect([twice.exit_code, twice.stderr]).toEqual([1, expect.stringContaining("are both for slack") as unknown]);
  },
);

it("has nothing left to push after a push and the consents, or after a pull", { tags: "all" }, async () => {
  const stage = await startStage();
  const slack = '// Ours.\n{ "type": "slack", "owner": "sales", "scopes": ["chat:write"], }\n';
  writeFile(stage, "slack.jsonc", slack);
  const [, first] = await json(stage, ["push"]);
  await stage.builder.connect(first.list("results")[0]?.text("redirect_url") ?? "");
  const second = await run(stage, ["push"]);
  expect([second.exit_code, second.stdout, second.stderr]).toEqual([0, "slack: up to date\n", "  slack: no change\n"]);

  await connect(stage, "github");
  const pulled = await json(stage, ["pull"]);
  expect(pulled[1].value).toMatchObject({ written: ["github"], unchanged: ["slack"], deleted: [] });
  expect(readFileSync(join(stage.home, "connectors", "slack.jsonc"), "utf8")).toBe(slack);
  const third = await json(stage, ["push"]);
  expect([third[0], actionsOf(third[1])]).toEqual([0, { github: "synced", slack: "synced" }]);

  await run(stage, ["remove", "slack"]);
  const refused = await run(stage, ["pull"]);
  expect([refused.exit_code, refused.stderr]).toEqual([2, expect.stringContaining("slack.jsonc") as unknown]);
  expect((await run(stage, ["pull", "--yes"])).stdout).toBe("Deleted: slack\nUnchanged: github\n");
  expect(readdirSync(join(stage.home, "connectors"))).toEqual(["github.jsonc"]);
});

it("asks on a terminal, opens the link, and reports the connection", { tags: "all" }, async () => {
  const stage = await startStage();
  await connect(stage, "github");
  writeFile(stage, "slack.jsonc", '{ "type": "slack" }');
  const { home, env } = stage;
  const terminal = openTerminal([process.execPath, LAUNCHER, "connectors", "push"], {
    cwd: home,
    env: { ...env, HOME: home, PATH: process.env["PATH"] ?? "" },
  });
  await terminal.until(/- github: removed[\s\S]*Continue\? \[y\/N\]/);
  terminal.press("y\n");
  await terminal.until(/Open the browser now\? \[y\/N\]/);
  terminal.press("y\n");
  await stage.builder.connect(await terminal.opened());
  expect(await terminal.ended).toBe(0);
  expect(terminal.shown()).toMatch(/slack: connected\s+github: removed/);
});

it("does nothing when the builder answers no, and exits with 130 on Ctrl-C", { tags: "all" }, async () => {
  const stage = await startStage();
  await connect(stage, "github");
  const { home, env } = stage;
  const command = [process.execPath, LAUNCHER, "connectors", "push"];
  const options = { cwd: home, env: { ...env, HOME: home, PATH: process.env["PATH"] ?? "" } };
  const first = openTerminal(command, options);
  await first.until(/Continue\?/);
  first.press("n\n");
  expect([await first.ended, first.shown()]).toEqual([1, expect.stringContaining("Nothing was done.") as unknown]);
  const second = openTerminal(command, options);
  await second.until(/Continue\?/);
  second.press("\u0003");
  expect(await second.ended).toBe(130);
  expect((await json(stage, ["list"]))[1].list("integrations")).toHaveLength(1);
});

it("works with a login as with a key, for the builder who approved it on the page", { tags: "all" }, async () => {
  const stage = await startStage();
  const { site, home, app } = stage;
  const login = await startInteractive(["login", "--server", site.server_url], { home });
  let code: string | undefined;
  while (code === undefined) {
    await delay(50);
    code = /enter the code {2}(\S+)/.exec(login.output.stderr)?.[1];
  }
  await stage.builder.decide(`${site.server_url}/device`, code, "approved");
  expect(await login.ended()).toBe(0);
  expect(login.output.stdout).toContain(`as Ada (${stage.builder.email})`);
  const signed_in = { ...stage, env: { HOLDFAST_APP_ID: app.app_id } };
  await connect(signed_in, "slack");
  expect((await json(signed_in, ["check"]))[0]).toBe(0);
  expect((await holdfast(["whoami"], { home })).stdout).toContain(stage.builder.email);
  expect((await holdfast(["logout"], { home })).exit_code).toBe(0);
  expect((await run(signed_in, ["list"])).exit_code).toBe(3);
});

it(
  "still works without a login on the server's machine, and refuses to guess between two servers",
  { tags: "all" },
  async () => {
    const stage = await startStage();
    const { site, app, home } = stage;
    const local = await holdfast(["connectors", "list", "--app", app.app_id, "--data-dir", site.data_dir], { home });
    expect([local.exit_code, local.stdout]).toEqual([
      0,
      expect.stringContaining("Nothing is connected yet") as unknown,
    ]);
    const both = await run(stage, ["list", "--server", site.server_url, "--data-dir", site.data_dir]);
    expect([both.exit_code, both.stderr]).toEqual([2, expect.stringContaining("Use one of them") as unknown]);
    const initiated = await holdfast(
      ["connectors", "initiate", "slack", "--app", app.app_id, "--data-dir", site.data_dir, "--json"],
      { home },
    );
    await stage.builder.connect(parseJson(initiated.stdout).text("redirect_url"));
    expect((await json(stage, ["check", "slack"]))[0]).toBe(0);
  },
);

it("replaces another builder's account only with --force-reconnect", { tags: "all" }, async () => {
  const stage = await startStage();
  await connect(stage, "slack", "chat:write");
  const { site, app, home } = stage;
  const { stdout } = await holdfast(["setup-link", "--data-dir", site.data_dir], { home });
  const other = createBuilder(site.server_url, "Grace");
  await other.setUp(stdout.trim());
  const as = ["--as", other.email, "--app", app.app_id, "--data-dir", site.data_dir];
  const initiateAs = (...more: string[]) =>
    holdfast(["connectors", "initiate", "slack", "--scopes", "chat:write", ...as, ...more], { home });
  const refused = await initiateAs();
  expect([refused.exit_code, refused.stderr]).toEqual([5, expect.stringContaining("(different_user)") as unknown]);
  expect(refused.stderr).toContain(stage.builder.email);
  const forced = await initiateAs("--force-reconnect");
  expect([forced.exit_code, forced.stdout]).toEqual([0, expect.stringContaining("/connect/") as unknown]);
});

it("reports a failed command by its exit code, and in a document", { tags: "all" }, async () => {
  const stage = await startStage();
  const failures: [string[], number, string][] = [
    [["initiate", "slakc"], 4, "unknown_service"],
    [["initiate", "notion"], 5, "oauth_client_missing"],
    [["list", "--app", "app_00000000000000000000"], 4, "not_found"],
    [["initiate", "slack", "--scopes", 'a"b'], 1, "invalid_scope"],
    [["wait", "slack", "--connection-id", "flw_00000000000000000000"], 4, "not_found"],
  ];
  for (const [args, exit_code, code] of failures) {
    const [got, document] = await json(stage, args);
    expect([args, got, document.get("error").text("code")]).toEqual([args, exit_code, code]);
  }
  const { home, env } = stage;
  const forged = { ...env, HOLDFAST_API_KEY: `${stage.app.api_key.slice(0, -8)}00000000` };
  const wrong = await holdfast(["connectors", "list"], { home, env: forged });
  expect([wrong.exit_code, wrong.stderr]).toEqual([2, expect.stringContaining("is not an API key") as unknown]);
  const token = { ...env, HOLDFAST_API_KEY: stage.app.service_token };
  expect((await holdfast(["connectors", "list"], { home, env: token })).stderr).toContain("is a service token");
});
