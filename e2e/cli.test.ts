/**
 * The command line as a new user meets it: the output of each command, its document with --json,
 * exit codes, advice.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { holdfast, startInteractive, type Ended } from "./support/holdfast.ts";
import { parseJson, type Json } from "./support/json.ts";
import {
  createApp,
  getConnection,
  initiate,
  prepareSite,
  setClient,
  signIn,
  startSimulated,
  type App,
  type Site,
} from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary.ts";

/**
 * Runs a command with --json. It prints one document on stdout and nothing else, whether it
 * succeeds or fails.
 */
async function json({ home, data_dir }: Site, args: readonly string[], stdin = ""): Promise<[number | null, Json]> {
  const { exit_code, stdout } = await holdfast([...args, "--data-dir", data_dir, "--json"], { home, stdin });
  expect(stdout).toMatch(/^\{.*\}\n$/);
  return [exit_code, parseJson(stdout)];
}

const text = ({ home, data_dir }: Site, args: readonly string[], stdin = ""): Promise<Ended> =>
  holdfast([...args, "--data-dir", data_dir], { home, stdin });

it("explains what to do when a command is not understood", async () => {
  const home = temporaryDirectory();
  const cases: [string[], number, RegExp][] = [
    [[], 2, /First steps:\n {2}holdfast demo/],
    [["aps", "list"], 2, /unknown command 'aps'\n\(Did you mean apps\?\)\nRun holdfast --help/],
    [["apps", "crate", "x"], 2, /Did you mean create\?\)\nRun holdfast apps --help/],
    [["apps", "create"], 2, /missing required argument 'name'\nRun holdfast apps create --help/],
    [["apps", "create", "x", "--data-dri", "y"], 2, /unknown option '--data-dri'\n\(Did you mean --data-dir\?\)/],
    [["serve", "now"], 2, /too many arguments/],
    [["tokens", "list"], 2, /required option '--app <app>' not specified/],
    [["demo", "--once"], 2, /Use both: --auto --once/],
    [["clients", "set", "slack", "--client-id", "1"], 2, /printf %s "\$SECRET" \| holdfast clients set slack/],
    [["providers", "show", "slak"], 4, /Did you mean "slack"\?/],
    [["setup-link"], 4, /Start the server first \(holdfast serve\), or name its directory: --data-dir/],
  ];
  const results = await Promise.all(cases.map(([args]) => holdfast(args, { home })));
  for (const [index, [args, exit_code, advice]] of cases.entries()) {
    expect({ args, exit_code: results[index]?.exit_code, stdout: results[index]?.stdout }).toEqual({
      args,
      exit_code,
      stdout: "",
    });
    expect(results[index]?.stderr).toMatch(advice);
    expect(results[index]?.stderr).not.toMatch(/\n {4}at /);
  }
  const usage = await holdfast(["apps", "crate", "--json"], { home });
  expect({ ...usage, took_ms: 0 }).toMatchObject({ exit_code: 2, stderr: "" });
  expect(parseJson(usage.stdout).get("error").value).toMatchObject({
    code: "usage",
    message: "unknown command 'crate' (Did you mean create?)",
  });
});

/** The fields of `providers show --json`. Programs read them, so their names must not change. */
const FIELDS =
  "id display_name flow authorization_url token_url client_auth token_body scope_param scope_separator default_scopes pkce rotation access_token_lifetime_s issuer revocation identity health hosts config_fields sources unverified".split(
    " ",
  );

it("shows help and the catalog without a data directory, and writes nothing", async () => {
  const home = temporaryDirectory();
  const [help, version, list, shown, available] = await Promise.all(
    [
      ["--help"],
      ["--version"],
      ["providers", "list"],
      ["providers", "show", "slack", "--json"],
      ["connectors", "list-available", "--json"],
    ].map((args) => holdfast(args, { home })),
  );

  expect(help?.stdout).toMatch(/^Usage: holdfast/);
  expect(version?.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(list?.stdout).toMatch(/^SERVICE +NAME +DESCRIPTION\n[\s\S]*googlecalendar +Google Calendar +\S/);
  expect(parseJson(shown?.stdout ?? "").value).toMatchObject({
    id: "slack",
    vendor: "slack",
    rotation: expect.any(String) as unknown,
  });
  expect(parseJson(shown?.stdout ?? "").keys()).toEqual(expect.arrayContaining(FIELDS));
  expect(
    parseJson(available?.stdout ?? "")
      .list("integrations")[0]
      ?.keys(),
  ).toContain("integration_type");
  expect([help, version, list, shown, available].map((one) => one?.exit_code)).toEqual([0, 0, 0, 0, 0]);
  expect(existsSync(join(home, ".holdfast"))).toBe(false);
  expect(readdirSync(home)).toEqual(["tmp"]);
});

it("shows a service to people as text, and to programs as JSON", async () => {
  const shown = await holdfast(["providers", "show", "salesforce"], { home: temporaryDirectory() });
  expect(shown.exit_code).toBe(0);
  expect(shown.stdout).toMatch(/^Salesforce \(salesforce\)\n/);
  expect(shown.stdout).toContain("\n  Redirect URI: PUBLIC_URL/api/external-auth/callback/salesforce\n");
  expect(shown.stdout).toContain(
    "\n  Then run: holdfast clients set salesforce --client-id ID --client-secret-stdin\n",
  );
  expect(shown.stdout).toMatch(/\nSettings of a connection\n {2}hostname +.*\(default login\.salesforce\.com, such as/);
  expect(shown.stdout).toMatch(/\n {2}API \w+ +\{instance_url\}/);
  expect(shown.stdout).not.toMatch(/[{}]"|undefined|null|\[object/);
  const unknown = await holdfast(["providers", "show", "slak"], { home: temporaryDirectory() });
  expect([unknown.exit_code === 0, unknown.stdout]).toEqual([false, ""]);
});

it("manages apps, OAuth clients and connectors, beside the running server", async () => {
  const { url } = await startSimulated();
  const site = await prepareSite(url);
  const server = await site.start();
  const app = await createShop(site);
  const slack = ["slack", "--app", app.app_id];

  const unowned = await text(site, ["connectors", "initiate", ...slack]);
  expect([unowned.exit_code, unowned.stderr]).toEqual([5, expect.stringContaining("holdfast setup-link") as unknown]);
  const builder = await signIn(site, server.ready.text("setup_url"));
  const missing = await text(site, ["connectors", "initiate", ...slack]);
  expect([missing.exit_code, missing.stderr]).toEqual([
    5,
    expect.stringMatching(
      /Register one at https:\/\/api.slack.com\/apps, then run: holdfast clients set slack/,
    ) as unknown,
  ]);
  await setSlackClient(site);

  const [, initiated] = await json(site, ["connectors", "initiate", ...slack]);
  expect(initiated.keys().toSorted()).toEqual(["already_authorized", "connection_id", "redirect_url"]);
  await builder.connect(initiated.text("redirect_url"));
  expect((await text(site, ["connectors", "list", "--app", app.app_id])).stdout).toMatch(/\nslack +active +ada\n/);
  expect((await text(site, ["connectors", "initiate", ...slack])).stdout).toContain("already connected");
  expect((await getConnection(site, app, "slack")).status).toBe(200);

  await removeEverything(site, app);
});

async function createShop(site: Site): Promise<App> {
  expect((await text(site, ["apps", "list"])).stdout).toMatch(
    /There is no app yet\. Create one: holdfast apps create NAME/,
  );
  const [, created] = await json(site, ["apps", "create", "My Shop"]);
  expect(created.value).toEqual({
    app_id: expect.stringMatching(/^app_[a-z0-9]{20}$/) as unknown,
    service_token: expect.stringMatching(/^hfs_/) as unknown,
    api_key: expect.stringMatching(/^b44k_/) as unknown,
  });
  const [conflict, refusal] = await json(site, ["apps", "create", "My Shop"]);
  expect([conflict, refusal.get("error").text("code")]).toEqual([5, "already_exists"]);
  expect((await json(site, ["apps", "list"]))[1].list("apps").map((one) => one.text("name"))).toEqual(["My Shop"]);
  return {
    app_id: created.text("app_id"),
    service_token: created.text("service_token"),
    api_key: created.text("api_key"),
  };
}

async function setSlackClient(site: Site): Promise<void> {
  const set = await text(
    site,
    ["clients", "set", "slack", "--client-id", "sim-ok", "--client-secret-stdin"],
    "secret-of-sim-ok\n",
  );
  expect([set.exit_code, set.stdout]).toEqual([
    0,
    `Set the OAuth client of slack.\nRegister this redirect URI with the provider: ${site.server_url}/api/external-auth/callback/slack\n`,
  ]);
  const clients = await text(site, ["clients", "list"]);
  expect(clients.stdout).toMatch(/^SERVICE +CLIENT ID +SET\nslack +sim-ok /);
  expect(clients.stdout).not.toContain("secret-of");
}

/** Disconnects and removes slack, then removes its OAuth client and the app. */
async function removeEverything(site: Site, app: App): Promise<void> {
  const slack = ["slack", "--app", app.app_id];
  expect((await json(site, ["connectors", "disconnect", ...slack]))[1].value).toEqual({
    status: "disconnected",
    integration_type: "slack",
  });
  await within1s(async () =>
    expect((await getConnection(site, app, "slack")).body.text("code")).toBe("connection_disconnected"),
  );
  expect((await json(site, ["connectors", "remove", ...slack]))[1].value).toEqual({
    status: "removed",
    integration_type: "slack",
  });
  await within1s(async () => expect((await getConnection(site, app, "slack")).body.text("code")).toBe("not_connected"));

  expect((await json(site, ["clients", "remove", "slack"]))[1].value).toEqual({
    status: "removed",
    integration_type: "slack",
  });
  expect((await json(site, ["clients", "remove", "slack"]))[0]).toBe(4);
  expect((await json(site, ["apps", "delete", app.app_id]))[1].value).toEqual({
    status: "deleted",
    app_id: app.app_id,
  });
  expect((await json(site, ["apps", "delete", app.app_id]))[0]).toBe(4);
}

it(
  "creates and revokes service tokens, which the running server rejects within a second",
  { tags: "all" },
  async () => {
    const { url } = await startSimulated();
    const site = await prepareSite(url);
    const server = await site.start();
    const app = await createApp(site);
    await setClient(site, app, "slack", "sim-ok");
    await (await signIn(site, server.ready.text("setup_url"))).connect(await initiate(site, app, "slack"));
    const app_args = ["--app", app.app_id];

    const [, created] = await json(site, ["tokens", "create", ...app_args, "--name", "ci", "--expires-in-days", "30"]);
    const second = { app_id: app.app_id, service_token: created.text("service_token") };
    expect((await getConnection(site, second, "slack")).status).toBe(200);
    const [exit_code, too_many] = await json(site, ["tokens", "create", ...app_args]);
    expect([exit_code, too_many.get("error").text("code")]).toEqual([5, "too_many_tokens"]);
    const list = await text(site, ["tokens", "list", ...app_args]);
    expect(list.stdout).toMatch(
      /^ID +NAME +CREATED +STATE +EXPIRES +LAST USED\n[\s\S]*\n\w+ +ci +\S+ \S+ +live +20\d\d-/,
    );
    expect(list.stdout).not.toContain("hfs_");

    const revoked = await json(site, ["tokens", "revoke", created.text("id"), ...app_args]);
    expect([revoked[0], revoked[1].value]).toEqual([0, { status: "revoked", id: created.text("id") }]);
    await within1s(async () => expect((await getConnection(site, second, "slack")).status).toBe(401));
    expect((await getConnection(site, app, "slack")).status).toBe(200);
    const again = await text(site, ["tokens", "revoke", created.text("id"), ...app_args]);
    expect([again.exit_code, again.stderr]).toEqual([4, expect.stringContaining("holdfast tokens list") as unknown]);

    const [, link] = await json(site, ["setup-link"]);
    await signIn(site, link.text("setup_url"));
  },
);

/** Retries `check` for a second. The command has exited, and the server has this long to notice. */
async function within1s(check: () => Promise<void>): Promise<void> {
  const until = performance.now() + 1000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > until) throw error;
      await delay(50);
    }
  }
}

it("simulates services on a port that fetch does not block", async () => {
  const { stdout } = await holdfast(["simulate", "--help"], { home: temporaryDirectory() });
  const port = /\(default:\s+(\d+)\)/.exec(stdout)?.[1];
  const tried = await fetch(`http://127.0.0.1:${port}/`).catch(({ cause }: Error) => cause);
  // fetch refuses the ports of other protocols (https://fetch.spec.whatwg.org/#port-blocking).
  expect(String(tried)).not.toContain("bad port");
  expect(String(tried)).toMatch(/ECONNREFUSED|Response/);
});

it("says what it means when functions run without a sandbox", async () => {
  const args = ["serve", "--functions-isolation", "none", "--port", "0"];
  const { output } = await startInteractive(args, { home: temporaryDirectory() }, /Holdfast is running/);
  expect(output.stdout).toContain("Functions run without a sandbox: they can read everything");
});
