/**
 * The unmodified public command line against a running server, with an API key and with a login.
 * Covers its output, the documents that programs read, and exit codes. The services behind the
 * server are simulated.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  BASE44,
  base44,
  base44Environment,
  base44Json,
  startBase44,
  type Base44Options,
} from "./support/base44-cli.ts";
import { startRemoteStage } from "./support/remote-stage.ts";
import { holdfast } from "./support/holdfast.ts";
import { parseJson, type Json } from "./support/json.ts";
import { setClient, type App, type Site } from "./support/server.ts";
import { openTerminal } from "./support/terminal.ts";
import { createBuilder, type Builder } from "./support/builder.ts";

interface Stage {
  readonly site: Site;
  readonly app: App;
  readonly builder: Builder;
  /** The commands' working directory and HOME. */
  readonly options: Base44Options;
  readonly connectors: string;
}

type SignIn = (stage: Omit<Stage, "options">, home: string) => Promise<Base44Options>;

const withKey: SignIn = ({ site, app }, home) =>
  Promise.resolve({ server_url: site.server_url, home, api_key: app.api_key });

/** `base44 login`: enters the printed code on the real page. */
const withLogin: SignIn = async ({ site, builder }, home) => {
  const options = { server_url: site.server_url, home };
  const { output, ended } = startBase44(["login"], options);
  const { code, address } = await printedCode(output);
  expect(address).toBe(`${site.server_url}/device`);
  await builder.decide(address, code, "approved");
  expect((await ended).exit_code).toBe(0);
  return options;
};

/** Waits for the printed code and the address of its page. */
async function printedCode(output: {
  readonly stdout: string;
  readonly stderr: string;
}): Promise<{ code: string; address: string }> {
  for (;;) {
    const text = `${output.stdout}${output.stderr}`;
    const code = /\b[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}\b/.exec(text)?.[0];
    const address = /https?:\/\/\S+\/device/.exec(text)?.[0];
    if (code !== undefined && address !== undefined) return { code, address };
    await delay(50);
  }
}

const SERVICES = ["slack", "github", "googlecalendar"];

async function startStage(signIn: SignIn): Promise<Stage> {
  const { site, app, builder, home } = await startRemoteStage();
  for (const service of SERVICES) await setClient(site, app, service, "sim-ok");
  mkdirSync(home);
  const connectors = join(home, "connectors");
  const stage = { site, app, builder, connectors };
  return { ...stage, options: await signIn(stage, home) };
}

const appArgs = ({ app }: Stage): string[] => ["--app-id", app.app_id];
const run = (stage: Stage, args: readonly string[]) => base44([...args, ...appArgs(stage)], stage.options);
const json = (stage: Stage, args: readonly string[]) => base44Json([...args, ...appArgs(stage)], stage.options);

function writeFiles({ connectors }: Stage, files: Readonly<Record<string, readonly string[]>>): void {
  mkdirSync(connectors, { recursive: true });
  for (const [type, scopes] of Object.entries(files))
    writeFileSync(join(connectors, `${type}.jsonc`), JSON.stringify({ type, scopes }));
}

async function connect(stage: Stage, service: string, scopes: readonly string[] = []): Promise<void> {
  const scope_args = scopes.length === 0 ? [] : ["--scopes", ...scopes];
  const { document } = await json(stage, ["connectors", "initiate", "--integration-type", service, ...scope_args]);
  await stage.builder.connect(document.text("redirectUrl"));
}

const resultsOf = (document: Json): Record<string, string> =>
  Object.fromEntries(document.list("results").map((one) => [one.text("type"), one.text("action")]));

describe.each([
  ["an API key", withKey],
  ["a login", withLogin],
])("with %s", (name, signIn) => {
  it("lists available services, initiates, and sees the connection", { tags: "all" }, async () => {
    const stage = await startStage(signIn);
    const listed = await run(stage, ["connectors", "list-available"]);
    expect(listed.exit_code).toBe(0);
    expect(`${listed.stdout}${listed.stderr}`).toContain("integrationType: slack");
    const { document } = await json(stage, ["connectors", "list-available"]);
    const slack = document.list("integrations").find((one) => one.text("integrationType") === "slack");
    expect(slack?.keys().toSorted()).toEqual([
      "connectionConfigFields",
      "description",
      "displayName",
      "integrationType",
    ]);

    const initiate = ["connectors", "initiate", "--integration-type", "slack", "--scopes", "chat:write,users:read"];
    const link = await run(stage, initiate);
    expect([link.exit_code, `${link.stdout}${link.stderr}`]).toEqual([
      0,
      expect.stringContaining(`${stage.site.server_url}/connect/`) as unknown,
    ]);
    const first = await json(stage, initiate);
    expect([first.exit_code, first.document.value]).toEqual([
      0,
      {
        integrationType: "slack",
        alreadyAuthorized: false,
        redirectUrl: expect.stringContaining(`${stage.site.server_url}/connect/`) as unknown,
        connectionId: expect.any(String) as unknown,
      },
    ]);
    await stage.builder.connect(first.document.text("redirectUrl"));
    const again = await json(stage, initiate);
    expect(again.document.value).toMatchObject({ integrationType: "slack", alreadyAuthorized: true });
    expect(Object.values(await run(stage, initiate)).join("\n")).toMatch(/already authorized/i);
  });

  it("distinguishes a missing OAuth client, an unknown service and an unknown app", { tags: "all" }, async () => {
    const stage = await startStage(signIn);
    const failed = async (service: string, app = stage.app.app_id): Promise<Json> => {
      const args = ["connectors", "initiate", "--integration-type", service, "--app-id", app];
      const { exit_code, document } = await base44Json(args, stage.options);
      expect(exit_code).toBe(1);
      return document;
    };
    const missing = await failed("notion");
    expect(missing.value).toMatchObject({ statusCode: 409, requestId: expect.any(String) as unknown });
    expect(missing.text("error")).toMatch(/No OAuth client is set for Notion/);
    const unknown = await failed("slakc");
    expect([unknown.get("statusCode").value, unknown.text("error")]).toEqual([
      404,
      expect.stringContaining('Did you mean "slack"?') as unknown,
    ]);
    expect((await failed("slack", "app_00000000000000000000")).get("statusCode").value).toBe(404);
  });

  it(
    "pulls the connected services, does not change an equal file, and deletes the others",
    { tags: "all" },
    async () => {
      const stage = await startStage(signIn);
      await connect(stage, "slack", ["chat:write"]);
      await connect(stage, "github");
      writeFiles(stage, { notion: [] });
      const pulled = await json(stage, ["connectors", "pull"]);
      expect(pulled.exit_code).toBe(0);
      expect(readdirSync(stage.connectors).toSorted()).toEqual(["github.jsonc", "slack.jsonc"]);
      const slack = join(stage.connectors, "slack.jsonc");
      expect(parseJson(readFileSync(slack, "utf8")).value).toEqual({ type: "slack", scopes: ["chat:write"] });
      writeFileSync(slack, '// Ours.\n{ "type": "slack", "scopes": ["chat:write"] }\n');
      expect((await run(stage, ["connectors", "pull"])).exit_code).toBe(0);
      expect(readFileSync(slack, "utf8")).toBe('// Ours.\n{ "type": "slack", "scopes": ["chat:write"] }\n');

      const pushed = await json(stage, ["connectors", "push", "-y"]);
      expect(resultsOf(pushed.document)).toEqual({ github: "synced", slack: "synced" });
    },
  );

  it(
    "pushes new, unchanged, changed and removed connectors, and continues when one fails",
    {
      tags: name === "a login" ? ["all"] : [],
    },
    async () => {
      const stage = await startStage(signIn);
      await connect(stage, "slack", ["chat:write"]);
      await connect(stage, "github");
      writeFiles(stage, { slack: ["chat:write"], googlecalendar: [], notion: [] });

      const refused = await run(stage, ["connectors", "push"]);
      expect([refused.exit_code, refused.stderr]).toEqual([1, expect.stringContaining("--yes") as unknown]);

      const { exit_code, document } = await json(stage, ["connectors", "push", "-y"]);
      expect([exit_code, resultsOf(document)]).toEqual([
        0,
        { googlecalendar: "needs_oauth", notion: "error", slack: "synced", github: "removed" },
      ]);
      const [calendar, notion] = ["googlecalendar", "notion"].map((type) =>
        document.list("results").find((one) => one.text("type") === type),
      );
      expect(notion?.text("error")).toMatch(/No OAuth client is set for Notion/);
      expect(document.get("oauth").value).toEqual({});

      await stage.builder.connect(calendar?.text("redirectUrl") ?? "");
      writeFiles(stage, { slack: ["chat:write", "users:read"] });
      const summary = await run(stage, ["connectors", "push", "-y"]);
      expect(summary.exit_code).toBe(0);
      const text = `${summary.stdout}${summary.stderr}`;
      expect(text).toContain("Synced: googlecalendar");
      expect(text).toContain("Failed: notion - Error setting connector: No OAuth client is set for Notion");
      expect(text).toContain("Failed: slack - needs authorization");
    },
  );

  it("rejects a stripe file with a message, and pushes the rest", { tags: "all" }, async () => {
    const stage = await startStage(signIn);
    await connect(stage, "slack");
    writeFiles(stage, { slack: [], stripe: [] });
    const { document } = await json(stage, ["connectors", "push", "-y"]);
    expect(resultsOf(document)).toEqual({ slack: "synced", stripe: "error" });
    expect(
      document
        .list("results")
        .find((one) => one.text("type") === "stripe")
        ?.text("error"),
    ).toMatch(/Stripe/);
  });

  it("links a project to an app, and creates one", { tags: "all" }, async () => {
    const stage = await startStage(signIn);
    const { options, app, site } = stage;
    const project = join(options.home, "project");
    mkdirSync(join(project, "base44"), { recursive: true });
    writeFileSync(join(project, "base44", "config.jsonc"), '{ "name": "shop" }');
    const linked = await base44(["link", "--app-id", app.app_id], { ...options, cwd: project });
    expect([linked.exit_code, `${linked.stdout}${linked.stderr}`]).toEqual([
      0,
      expect.stringContaining(`${site.server_url}/apps/${app.app_id}/editor/workspace/overview`) as unknown,
    ]);
    // The file may begin with a comment.
    expect(readFileSync(join(project, "base44", ".app.jsonc"), "utf8")).toContain(`"id": "${app.app_id}"`);
    const inside = await base44Json(["connectors", "pull"], { ...options, cwd: project });
    expect(inside.exit_code).toBe(0);

    const created = await base44(["create", "My Store", "--path", "store", "--no-skills"], options);
    expect([created.exit_code, created.stderr]).toEqual([0, expect.any(String) as unknown]);
    const config = readFileSync(join(options.home, "store", "base44", ".app.jsonc"), "utf8");
    const id = /app_[a-z0-9]{20}/.exec(config)?.[0] ?? "";
    expect(id).not.toBe(app.app_id);
    const list = await base44Json(["connectors", "list-available", "--app-id", id], options);
    expect(list.exit_code).toBe(0);
  });
});

it(
  "signs in by a code entered on the page, prints the account, renews its session, and signs out",
  { tags: "all" },
  async () => {
    const stage = await startStage(withLogin);
    const { options, builder } = stage;
    const whoami = await base44(["whoami"], options);
    expect([whoami.exit_code, `${whoami.stdout}${whoami.stderr}`]).toEqual([
      0,
      expect.stringContaining(builder.email) as unknown,
    ]);
    const path = join(options.home, ".base44", "auth", "auth.json");
    const before = parseJson(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...Object(before.value), expiresAt: 1 }));
    expect((await run(stage, ["connectors", "list-available"])).exit_code).toBe(0);
    const after = parseJson(readFileSync(path, "utf8"));
    expect(after.text("refreshToken")).not.toBe(before.text("refreshToken"));
    expect((await base44(["logout"], options)).exit_code).toBe(0);
    expect(existsSync(path)).toBe(false);
  },
);

it(
  "accepts an API key instead of a login: prints its public part, rejects a wrong one, and logs out without a login",
  { tags: "all" },
  async () => {
    const stage = await startStage(withKey);
    const { api_key } = stage.app;
    const whoami = await base44(["whoami"], stage.options);
    const [, public_part = ""] = /workspace API key: (\S+)/.exec(`${whoami.stdout}${whoami.stderr}`) ?? [];
    expect([
      whoami.exit_code,
      public_part.length > 5 && public_part.length < 20,
      api_key.startsWith(public_part),
    ]).toEqual([0, true, true]);
    const forged = { ...stage.options, api_key: `${api_key.slice(0, -8)}00000000` };
    const refused = await base44Json(["connectors", "list-available", ...appArgs(stage)], forged);
    expect([refused.exit_code, refused.document.value]).toMatchObject([
      1,
      { statusCode: 401, requestId: expect.any(String) as unknown },
    ]);
    expect((await base44(["logout"], stage.options)).exit_code).toBe(0);
    expect((await json(stage, ["connectors", "list-available"])).exit_code).toBe(0);
  },
);

it("ends the login with a message when the builder denies it on the page", { tags: "all" }, async () => {
  const stage = await startStage(withKey);
  const { output, ended } = startBase44(["login"], { server_url: stage.site.server_url, home: stage.options.home });
  const { code, address } = await printedCode(output);
  await stage.builder.decide(address, code, "denied");
  expect((await ended).exit_code).toBe(1);
  expect(existsSync(join(stage.options.home, ".base44", "auth", "auth.json"))).toBe(false);
});

it("reports another builder's connection as an error, including in a push", { tags: "all" }, async () => {
  const stage = await startStage(withKey);
  await connect(stage, "slack", ["chat:write"]);
  const { site } = stage;
  const { stdout } = await holdfast(["setup-link", "--data-dir", site.data_dir], { home: site.home });
  const other = createBuilder(site.server_url, "Grace");
  await other.setUp(stdout.trim());
  const home = join(site.home, "other");
  mkdirSync(home);
  const second = { ...stage, builder: other, connectors: join(home, "connectors") };
  const theirs = { ...second, options: await withLogin(second, home) };
  writeFiles(theirs, { slack: ["chat:write"] });
  const { exit_code, document } = await json(theirs, ["connectors", "push", "-y"]);
  const [result] = document.list("results");
  expect([exit_code, result?.value]).toMatchObject([0, { type: "slack", action: "error" }]);
  expect(result?.text("error")).toContain(stage.builder.email);
  const initiate = ["connectors", "initiate", "--integration-type", "slack", "--scopes", "chat:write"];
  const refused = await json(theirs, initiate);
  expect([refused.exit_code, refused.document.text("error")]).toEqual([
    1,
    expect.stringContaining("different_user") as unknown,
  ]);
});

it.each([
  ["an API key", withKey],
  ["a login", withLogin],
])(
  "pushes from a terminal with %s: opens the link, waits for the account, prints Added",
  { tags: "all" },
  async (_name, signIn) => {
    const stage = await startStage(signIn);
    writeFiles(stage, { slack: ["chat:write"] });
    const { options } = stage;
    const command = [process.execPath, BASE44, "connectors", "push", ...appArgs(stage)];
    const terminal = openTerminal(command, { cwd: options.home, env: base44Environment(options) });
    await terminal.until(/Are you sure|continue/i);
    terminal.press("y");
    await terminal.until(/Open browser to authorize now\?/);
    terminal.press("y");
    await terminal.until(/Waiting for slack authorization/);
    const link = await terminal.opened();
    expect(link).toContain(`${stage.site.server_url}/connect/`);
    await stage.builder.connect(link);
    expect(await terminal.ended).toBe(0);
    expect(terminal.shown()).toMatch(/Added: slack/);
  },
);
