/**
 * An admin's commands from another machine: workspaces, members, keys, apps, clients, tokens, the
 * audit trail.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clientSecretOf } from "@holdfast/simulator";
import { expect, it } from "vitest";
import { holdfast, type Ended } from "./support/holdfast.ts";
import { parseJson, type Json } from "./support/json.ts";
import { startRemoteStage, withLogin, type RemoteStage } from "./support/remote-stage.ts";
import { asBuilder, prepareSite, type App, type Site } from "./support/server.ts";
import { createBuilder } from "./support/builder.ts";

const run = ({ home, env }: RemoteStage, args: readonly string[], stdin = ""): Promise<Ended> =>
  holdfast(args, { home, env, stdin });

async function json(stage: RemoteStage, args: readonly string[], stdin = ""): Promise<[number | null, Json]> {
  const { exit_code, stdout } = await run(stage, [...args, "--json"], stdin);
  expect(stdout).toMatch(/^\{.*\}\n$/);
  return [exit_code, parseJson(stdout)];
}

it(
  "creates apps, their tokens and OAuth clients over the network, as on the server's machine",
  { tags: "all" },
  async () => {
    const stage = await startRemoteStage();
    const [created, app] = await json(stage, ["apps", "create", "billing"]);
    expect([created, app.keys().toSorted()]).toEqual([0, ["api_key", "app_id", "service_token"]]);
    const listed = (await json(stage, ["apps", "list"]))[1].list("apps").map((one) => one.text("name"));
    expect(listed.toSorted()).toEqual(["billing", "shop"]);

    const app_args = ["--app", app.text("app_id")];
    const token = await run(stage, ["tokens", "create", "--expires-in-days", "30", ...app_args]);
    expect([token.exit_code, token.stdout.split("\n", 1)[0]]).toEqual([0, expect.stringMatching(/^hfs_/) as unknown]);
    expect(token.stderr).toBe("");
    const tokens = (await json(stage, ["tokens", "list", ...app_args]))[1].list("tokens");
    const [old] = tokens.filter((one) => one.get("expires_at").value === null);
    expect(tokens).toHaveLength(2);
    expect((await run(stage, ["tokens", "revoke", old?.text("id") ?? "", ...app_args])).exit_code).toBe(0);
    expect((await run(stage, ["tokens", "list", ...app_args])).stdout).toMatch(/revoked/);

    const set = ["clients", "set", "slack", "--client-id", "sim-ok"];
    expect((await run(stage, set)).exit_code).toBe(2);
    const secret = clientSecretOf("sim-ok");
    const client = await run(stage, [...set, "--client-secret-stdin"], secret);
    expect([client.exit_code, client.stdout]).toEqual([0, expect.stringContaining("Set the OAuth client") as unknown]);
    const clients = await run(stage, ["clients", "list"]);
    expect(clients.stdout).toMatch(/\nslack +sim-ok /);
    expect(`${client.stdout}${client.stderr}${clients.stdout}`).not.toContain(secret);
    expect((await run(stage, ["clients", "remove", "slack"])).exit_code).toBe(0);
    expect((await run(stage, ["clients", "remove", "slack"])).exit_code).toBe(4);
    const file = join(stage.home, "slack.secret");
    writeFileSync(file, `${secret}\n`, { mode: 0o600 });
    const both = await run(stage, [...set, "--client-secret-file", file, "--client-secret-stdin"], secret);
    expect([both.exit_code, both.stderr]).toEqual([2, expect.stringContaining("--client-secret-file PATH") as unknown]);
    const missing = await run(stage, [...set, "--client-secret-file", `${file}.old`]);
    expect([missing.exit_code, missing.stderr]).toEqual([2, expect.stringContaining("cannot be read") as unknown]);
    writeFileSync(`${file}.long`, "x".repeat(8_193));
    const long = await run(stage, [...set, "--client-secret-file", `${file}.long`]);
    expect([long.exit_code, long.stderr]).toEqual([2, expect.stringContaining("longer than 8 KiB") as unknown]);
    expect((await run(stage, ["clients", "list"])).stdout).not.toContain("slack");
    const again = await run(stage, [...set, "--client-secret-file", file]);
    expect([again.exit_code, `${again.stdout}${again.stderr}`.includes(secret)]).toEqual([0, false]);
    expect((await run(stage, ["apps", "delete", app.text("app_id")])).exit_code).toBe(0);
    expect((await run(stage, ["tokens", "list", ...app_args])).exit_code).toBe(4);
  },
);

it(
  "sets, lists and removes a workspace's own OAuth client, and shares the installation's clients",
  { tags: "all" },
  async () => {
    const stage = await startRemoteStage();
    const { site, app } = stage;
    const [, workspaces] = await json(await withLogin(stage), ["workspaces", "list"]);
    const id = workspaces.list("workspaces")[0]?.text("id") ?? "";
    const workspace_args = ["--workspace", id];
    const unknown_workspace = ["--workspace", "wsp_00000000000000000000"];
    const local = ["--data-dir", site.data_dir];
    const secret = clientSecretOf("sim-ok");
    const set = ["clients", "set", "slack", "--client-id", "sim-ok"];
    expect((await run(stage, [...set, ...workspace_args])).stderr).toContain(`slack --workspace ${id} --client-id`);

    const remote = await run(stage, [...set, "--client-secret-stdin", ...workspace_args], secret);
    expect([remote.exit_code, remote.stdout, remote.stderr]).toEqual([
      0,
      `Set the OAuth client of slack in ${id}.\nRegister this redirect URI with the provider: ${site.server_url}/api/external-auth/callback/slack\n`,
      "",
    ]);
    const list = ["clients", "list"];
    const [, own] = await json(stage, [...list, ...workspace_args]);
    const [client] = own.list("clients");
    expect([client?.text("workspace_id"), client?.text("client_id")]).toEqual([id, "sim-ok"]);
    expect(JSON.stringify(own.value)).not.toContain(secret);
    expect((await json(stage, list))[1].value).toEqual({ clients: [] });
    expect((await run(stage, ["clients", "remove", "slack"])).exit_code).toBe(4);

    // Compared by id: the redirect URI depends on the public URL that the command itself knows.
    const [, here] = await json(stage, [...list, ...workspace_args, ...local]);
    expect(here.list("clients").map((one) => one.text("id"))).toEqual([client?.text("id")]);
    expect((await json(stage, [...list, ...local]))[1].value).toEqual({ clients: [] });
    for (const where of [[], local]) {
      expect((await run(stage, [...list, ...unknown_workspace, ...where])).exit_code).toBe(4);

      const shared = await run(stage, ["clients", "share", id, ...where]);
      expect([shared.exit_code, shared.stdout]).toEqual([0, expect.stringContaining(`serve ${id}.`) as unknown]);
      expect(shared.stderr).toMatch(/counts against your registrations/);
      expect(await sharing(site, app, id)).toBe(true);
      const unshared = await json(stage, ["clients", "unshare", id, ...where]);
      expect([unshared[0], unshared[1].value]).toEqual([0, { status: "unshared", workspace_id: id }]);
      expect(await sharing(site, app, id)).toBe(false);
    }
    expect((await run(stage, ["clients", "remove", "slack", ...workspace_args])).stdout).toBe(
      `Removed the OAuth client of slack in ${id}.\n`,
    );
    expect((await run(stage, [...list, ...workspace_args])).stdout).toContain(`clients set TYPE --workspace ${id}`);
    const refused = await run(stage, [...set, "--client-secret-stdin", ...unknown_workspace, ...local], secret);
    expect(refused.exit_code).toBe(4);
    const again = await run(stage, [...set, "--client-secret-stdin", ...workspace_args, ...local], secret);
    expect(again.exit_code).toBe(0);
    expect((await run(stage, ["clients", "remove", "slack", ...workspace_args, ...local])).exit_code).toBe(0);
  },
);

const sharing = async (site: Site, app: App, id: string): Promise<unknown> =>
  (await asBuilder(site, app, "GET", `/api/management/workspaces/${id}/clients`))
    .get("installation_clients")
    .get("allowed").value;

it("creates an API key that works until it is revoked, and prints it once", { tags: "all" }, async () => {
  const stage = await startRemoteStage();
  const created = await run(stage, ["api-keys", "create", "--name", "pipeline", "--scope", "read"]);
  const [api_key = ""] = created.stdout.split("\n");
  expect([created.exit_code, api_key, created.stderr]).toEqual([0, expect.stringMatching(/^b44k_/) as unknown, ""]);
  const reader = { ...stage, env: { ...stage.env, HOLDFAST_API_KEY: api_key } };
  expect((await run(reader, ["apps", "list"])).exit_code).toBe(0);
  const refused = await run(reader, ["apps", "create", "billing"]);
  expect([refused.exit_code, refused.stderr]).toEqual([3, expect.stringContaining("(insufficient_role") as unknown]);

  const list = await run(stage, ["api-keys", "list"]);
  expect(list.stdout).toMatch(/pipeline +read +live/);
  expect(list.stdout).not.toContain(api_key);
  const keys = (await json(stage, ["api-keys", "list"]))[1].list("keys");
  const id = keys.find((key) => key.text("name") === "pipeline")?.text("id") ?? "";
  expect((await run(stage, ["api-keys", "revoke", id])).stdout).toBe(`Revoked ${id}.\n`);
  expect((await run(reader, ["apps", "list"])).exit_code).toBe(3);
});

it("invites, admits, promotes and removes a member, and manages workspaces with a login", { tags: "all" }, async () => {
  const stage = await withLogin(await startRemoteStage());
  const { site } = stage;
  const invited = await run(stage, ["members", "invite", "grace@example.com", "--role", "viewer"]);
  expect([invited.exit_code, invited.stdout]).toEqual([
    0,
    expect.stringMatching(/^http:\S+\/invitations\/\S+\n$/) as unknown,
  ]);
  const [, open] = await json(stage, ["members", "invitations"]);
  expect(open.list("invitations").map((one) => one.text("email"))).toEqual(["grace@example.com"]);
  await createBuilder(site.server_url, "Grace").setUp(invited.stdout.trim());
  const role = async (): Promise<string | undefined> =>
    (await json(stage, ["members", "list"]))[1]
      .list("members")
      .find((one) => one.text("email") === "grace@example.com")
      ?.text("role");
  expect(await role()).toBe("viewer");
  expect((await run(stage, ["members", "set-role", "grace@example.com", "editor"])).exit_code).toBe(0);
  expect(await role()).toBe("editor");
  expect((await run(stage, ["members", "set-role", "nobody@example.com", "editor"])).exit_code).toBe(4);
  expect((await run(stage, ["members", "remove", "grace@example.com"])).exit_code).toBe(0);
  expect(await role()).toBe(undefined);
  const [, second] = await json(stage, ["members", "invite", "alan@example.com", "--role", "admin"]);
  expect((await run(stage, ["members", "uninvite", second.text("id")])).exit_code).toBe(0);
  expect((await run(stage, ["members", "invitations"])).stdout).toBe("There are no pending invitations.\n");

  const [, lab] = await json(stage, ["workspaces", "create", "Lab"]);
  const several = await run(stage, ["api-keys", "list"]);
  expect([several.exit_code, several.stderr]).toEqual([2, expect.stringContaining("(Lab)") as unknown]);
  expect((await run(stage, ["api-keys", "list", "--workspace", lab.text("id")])).exit_code).toBe(0);
  expect((await run(stage, ["workspaces", "rename", lab.text("id"), "Garage"])).exit_code).toBe(0);
  expect((await run(stage, ["workspaces", "list"])).stdout).toMatch(/Garage +builder +owner/);
  expect((await run(stage, ["workspaces", "delete", lab.text("id")])).exit_code).toBe(0);
  expect((await run(stage, ["workspaces", "delete", lab.text("id")])).exit_code).toBe(4);

  const [first] = (await json(stage, ["workspaces", "list"]))[1].list("workspaces").map((one) => one.text("id"));
  const leave = ["workspaces", "leave", first ?? ""];
  const last = await run(stage, leave);
  expect([last.exit_code, last.stderr]).toEqual([5, expect.stringContaining("(last_owner") as unknown]);
  const heir = await run(stage, ["members", "invite", "joan@example.com", "--role", "owner"]);
  await createBuilder(site.server_url, "Joan").setUp(heir.stdout.trim());
  expect((await run(stage, leave)).stdout).toBe(`You have left ${first}.\n`);
  expect((await run(stage, ["workspaces", "list"])).stdout).toContain("You are not in any workspace.");
  expect((await run(stage, leave)).exit_code).toBe(4);
});

it(
  "exports the audit trail remotely for admins only, and all of it on the server's machine",
  { tags: "all" },
  async () => {
    const stage = await startRemoteStage();
    const { site, home } = stage;
    await run(stage, ["api-keys", "create", "--name", "reader", "--scope", "read"]);
    const printed = await run(stage, ["audit", "export"]);
    const lines = printed.stdout.trimEnd().split("\n");
    expect(printed.exit_code).toBe(0);
    const actions = lines.map((line) => parseJson(line).text("action"));
    expect(actions).toContain("api_key.create");

    const local = ["audit", "export", "--data-dir", site.data_dir];
    const written = await holdfast([...local, "--out", "trail.jsonl", "--json"], { home });
    const path = join(home, "trail.jsonl");
    const file = readFileSync(path, "utf8");
    expect(parseJson(written.stdout).value).toEqual({ path, events: file.trimEnd().split("\n").length });
    expect([file.startsWith(printed.stdout), statSync(path).mode & 0o777]).toEqual([true, 0o600]);
    const [, document] = await json(stage, ["audit", "export", "--since", "2001-01-01T00:00:00Z"]);
    expect(document.list("events").length).toBeGreaterThanOrEqual(lines.length);
    expect((await run(stage, ["audit", "export", "--until", "1"])).stdout).toBe("");

    const [, key] = await json(stage, ["api-keys", "create", "--name", "writer", "--scope", "write"]);
    const writer = { ...stage, env: { ...stage.env, HOLDFAST_API_KEY: key.text("api_key") } };
    const refused = await run(writer, ["audit", "export", "--out", "refused.jsonl"]);
    expect([refused.exit_code, refused.stderr]).toEqual([3, expect.stringContaining("(insufficient_role") as unknown]);
    expect(readdirSync(home).filter((name) => name.startsWith("refused"))).toEqual([]);
    expect((await run(stage, ["audit", "export", "--since", "yesterday"])).exit_code).toBe(2);
    const unwritable = await run(stage, ["audit", "export", "--out", "no/such/trail.jsonl"]);
    expect([unwritable.exit_code, unwritable.stderr]).toEqual([
      2,
      expect.stringContaining("cannot be written") as unknown,
    ]);
  },
);

it("explains how to reach a server when none is configured", async () => {
  const home = (await prepareSite("http://localhost:1")).home;
  const refused = await holdfast(["members", "list"], { home });
  expect([refused.exit_code, refused.stderr]).toEqual([
    3,
    expect.stringContaining("holdfast login --server") as unknown,
  ]);
});
