/** `--app` takes an id or a name, in every command, here and from another machine. */
import { expect, it } from "vitest";
import { holdfast, type Ended } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import { startRemoteStage, withLogin, type RemoteStage } from "./support/remote-stage.ts";
import { createApp } from "./support/server.ts";

/** One command of each group that takes `--app`. */
const COMMANDS = [
  ["audit", "export"],
  ["connectors", "list"],
  ["connectors", "list-available"],
  ["connectors", "initiate", "slack"],
  ["functions", "list"],
  ["logs"],
  ["secrets", "list"],
  ["tokens", "list"],
  ["types", "generate"],
  ["users", "list"],
  ["users", "issuers", "list"],
] as const;

type Run = (args: readonly string[], app: string) => Promise<Ended>;

const places: readonly (readonly [string, (stage: RemoteStage) => Run])[] = [
  [
    "from another machine",
    ({ home, env }) =>
      (args, app) =>
        holdfast([...args, "--app", app, "--json"], { home, env }),
  ],
  [
    "on the server's machine",
    ({ site, home }) =>
      (args, app) =>
        holdfast([...args, "--app", app, "--json", "--data-dir", site.data_dir], { home }),
  ],
];

it.each(places)("every command finds the app by its name %s", { tags: "all" }, async (_place, runOn) => {
  const stage = await startRemoteStage();
  const run = runOn(stage);
  const client = ["clients", "set", "slack", "--client-id", "sim-ok", "--client-secret-stdin"];
  await holdfast([...client, "--data-dir", stage.site.data_dir], { home: stage.home, stdin: "secret-of-sim-ok" });
  await createApp(stage.site, "other");
  for (const command of COMMANDS) {
    const [by_name, by_id] = [await run(command, "shop"), await run(command, stage.app.app_id)];
    expect([command, by_name.stderr, by_name.exit_code]).toEqual([command, "", 0]);
    expect([command, by_id.exit_code]).toEqual([command, 0]);
  }
});

it("a name of apps in two workspaces is refused, and the error lists their ids", { tags: "all" }, async () => {
  const stage = await withLogin(await startRemoteStage());
  const { site, home, app } = stage;
  const created = await holdfast(["workspaces", "create", "Lab", "--json"], { home });
  const in_lab = ["--workspace", parseJson(created.stdout).text("id")];
  const key = await holdfast(["api-keys", "create", "--name", "lab", ...in_lab, "--json"], { home });
  const env = { HOLDFAST_SERVER_URL: site.server_url, HOLDFAST_API_KEY: parseJson(key.stdout).text("api_key") };
  const twin = parseJson((await holdfast(["apps", "create", "shop", "--json"], { home, env })).stdout);
  for (const [, runOn] of places) {
    const run = runOn(stage);
    const refused = await run(["tokens", "list"], "shop");
    expect([refused.exit_code, refused.stdout]).toEqual([1, expect.stringContaining('"app_ambiguous"')]);
    for (const id of [app.app_id, twin.text("app_id")]) expect(refused.stdout).toContain(id);
    expect((await run(["tokens", "list"], twin.text("app_id"))).exit_code).toBe(0);
    const missing = await run(["tokens", "list"], "nowhere");
    expect([missing.exit_code, missing.stdout]).toEqual([4, expect.stringContaining("There is no app nowhere")]);
  }
  // A key opens one workspace, in which the name is unique.
  expect((await holdfast(["tokens", "list", "--app", "shop"], { home, env })).exit_code).toBe(0);
});
