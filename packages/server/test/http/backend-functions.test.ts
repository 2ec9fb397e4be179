/** Functions of an app over HTTP: deployed, listed, called, rolled back, and no other app's. */
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { asAppId } from "../../src/core/ids.ts";
import { Secret } from "../../src/core/secret.ts";
import { openInstallation } from "../../src/installation.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { asList, type Reply } from "../support/http.ts";
import { exposed, startTestServer, type TestApp, type TestServer } from "../support/server.ts";
import { audited } from "./stage.ts";

const answering = (text: string): string => `Deno.serve(() => new Response(${JSON.stringify(text)}));`;

const pathOf = (app: TestApp, name: string): string =>
  `/api/apps/${app.app_id}/backend-functions/${encodeURIComponent(name)}`;

function deploy(holdfast: TestServer, name: string, content: string, more: object = {}): Promise<Reply> {
  const json = { entry: "entry.js", files: [{ path: "entry.js", content }], ...more };
  return holdfast.manage("PUT", pathOf(holdfast.app, name), { json });
}

const call = (holdfast: TestServer, name: string, app: TestApp = holdfast.app): Promise<Reply> =>
  holdfast.request("POST", `/api/apps/${app.app_id}/functions/${name}`, { headers: { "x-request-id": "same" } });

const management = (holdfast: TestServer, name: string, verb: string): string =>
  `/api/management/apps/${holdfast.app.app_id}/functions/${encodeURIComponent(name)}/${verb}`;

it("is refused without a sandbox if another workspace has functions, and nothing is stored", async () => {
  const holdfast = await startTestServer({ config: { functions_isolation: "none" } });
  await deploy(holdfast, "hello", answering("one"));
  const { workspaces, apps, functions } = holdfast.installation;
  const { user_id } = holdfast.builder;
  const { id: workspace_id } = await workspaces.create("second", user_id);
  const neighbor = exposed(await apps.create("neighbor", { workspace_id, user_id }));
  const files = [{ path: "entry.js", content: answering("two") }];
  const deployment = { entry: "entry.js", files, automations: [] };
  const refused = functions.deploy(asAppId(neighbor.app_id), "hello", deployment, "test");
  await expect(refused).rejects.toMatchObject({ code: "functions_not_isolated" });
  expect((await call(holdfast, "hello", neighbor)).code).toBe("function_not_found");
  expect((await call(holdfast, "hello")).text).toBe("one");
});

describe("a deployed function", () => {
  it("that pins another version of the SDK is logged once for each deployment", async () => {
    const holdfast = await startTestServer();
    const importing = (pin: string) =>
      `import { createClient } from "${pin}";\nDeno.serve(() => new Response(typeof createClient));`;
    const logged = () => holdfast.log.filter(({ event }) => event === "function_sdk_pin_differs");
    const pin = "npm:@base44/sdk@0.8.4";
    for (const status of ["deployed", "unchanged"]) {
      expect((await deploy(holdfast, "pinned", importing(pin))).json["status"]).toBe(status);
      expect(logged()).toMatchObject([{ app_id: holdfast.app.app_id, function_name: "pinned", pin, level: "info" }]);
    }
    expect((await deploy(holdfast, "pinned", importing("npm:@base44/sdk"))).status).toBe(200);
    expect((await deploy(holdfast, "broken", `${importing(pin)}\nconst = 1;`)).status).toBe(400);
    expect(logged()).toHaveLength(1);
    expect((await deploy(holdfast, "pinned", importing(pin))).status).toBe(200);
    expect(logged()).toHaveLength(2);
  });

  it("is stored compressed, so that a large one delays no reader, and is returned as it was sent", async () => {
    const holdfast = await startTestServer();
    const content = `// ${"\u{1F600} \u0001 ".repeat(50_000)}\n${answering("one")}`;
    expect((await deploy(holdfast, "large", content)).status).toBe(200);
    const rows = await holdfast.installation.store.transaction(({ db }) =>
      db.selectFrom("function_blobs").selectAll().execute(),
    );
    const source = rows.find(({ size }) => size > 500_000);
    expect(source?.bytes.length).toBeLessThan(10_000);
    const reply = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/backend-functions`);
    expect(reply.json["functions"]).toMatchObject([{ files: [{ content }] }]);
    expect((await call(holdfast, "large")).text).toBe("one");
  });

  it("whose stored files are damaged is refused by name, and can be deleted and deployed again", async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, "first", answering("one"));
    await deploy(holdfast, "second", answering("two"));
    const { store } = holdfast.installation;
    const row = await store.getFunction(asAppId(holdfast.app.app_id), "second");
    const list = () => holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/backend-functions`);
    for (const bytes of [Buffer.from("no gzip"), gzipSync(Buffer.alloc(10_000_000)), Buffer.alloc(0)]) {
      await store.transaction(({ db }) =>
        db
          .updateTable("function_blobs")
          .set({ bytes })
          .where("digest", "in", [row?.source_digest ?? "", row?.bundle_digest ?? ""])
          .execute(),
      );
      for (const reply of [await call(holdfast, "second"), await list()]) {
        expect([reply.status, reply.code]).toEqual([500, "function_unreadable"]);
        expect(reply.json["message"]).toContain("function second are damaged. Delete it");
      }
    }
    expect(holdfast.log.filter(({ event }) => event === "function_unreadable")).toHaveLength(6);
    expect((await call(holdfast, "first")).text).toBe("one");
    expect((await holdfast.manage("DELETE", pathOf(holdfast.app, "second"))).status).toBeLessThan(300);
    await deploy(holdfast, "second", answering("two"));
    expect((await call(holdfast, "second")).text).toBe("two");
    expect((await list()).status).toBe(200);
  });

  it("runs its live version, and the next deployment replaces it immediately", async () => {
    const holdfast = await startTestServer();
    const first = await deploy(holdfast, "crm/sync", answering("one"));
    expect([first.status, first.json]).toEqual([200, { status: "deployed", version: 1, notes: [] }]);
    expect((await call(holdfast, "crm/sync")).text).toBe("one");
    expect((await deploy(holdfast, "crm/sync", answering("two"))).json).toMatchObject({
      status: "deployed",
      version: 2,
    });
    expect((await call(holdfast, "crm/sync")).text).toBe("two");
    expect((await deploy(holdfast, "crm/sync", answering("two"))).json).toMatchObject({
      status: "unchanged",
      version: 2,
    });
    expect(await audited(holdfast, "function.")).toEqual(["function.deploy", "function.deploy"]);
  });

  it("stays live when its successor cannot be deployed", { tags: "all" }, async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, "hello", answering("one"));
    const broken = await deploy(holdfast, "hello", "const = 1;");
    expect([broken.status, broken.code]).toEqual([400, "deployment_invalid"]);
    expect(broken.json["message"]).toContain("entry.js:1");
    const outside = await deploy(holdfast, "hello", "", { files: [{ path: "../secret.ts", content: "" }] });
    expect([outside.status, outside.json["message"]]).toEqual([400, expect.stringContaining('"../secret.ts"')]);
    expect((await call(holdfast, "hello")).text).toBe("one");
  });

  it("is listed with its files as sent, by path, and is unchanged by the same files in another order", async () => {
    const holdfast = await startTestServer();
    const files = [
      {
        path: "entry.ts",
        content: `import { word } from "../../shared/word.ts";\nDeno.serve(() => new Response(word));`,
      },
      { path: "function.jsonc", content: "// ours\n{}" },
      { path: "../../shared/word.ts", content: 'export const word: string = "shared";' },
    ];
    const automations = [
      {
        name: "nightly",
        type: "scheduled",
        schedule_mode: "recurring",
        schedule_type: "cron",
        cron_expression: "0 3 * * *",
      },
    ];
    await deploy(holdfast, "hello", "", { entry: "entry.ts", files, automations });
    expect((await call(holdfast, "hello")).text).toBe("shared");
    const { json } = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/backend-functions`);
    expect(json).toEqual({
      functions: [
        {
          name: "hello",
          deployment_id: expect.stringMatching(/^fnv_/),
          version: 1,
          entry: "entry.ts",
          files: files.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
          automations,
        },
      ],
    });
    const again = await deploy(holdfast, "hello", "", { entry: "entry.ts", files: files.toReversed(), automations });
    expect(again.json).toMatchObject({ status: "unchanged", version: 1 });
  });

  it("is refused if the kept versions of its app would need too much disk, and changes nothing", async () => {
    const holdfast = await startTestServer({ limits: { functions_stored_bytes: 400_000 } });
    const large = (text: string): string => answering(text.repeat(100_000));
    expect((await deploy(holdfast, "hello", large("a"))).status).toBe(200);
    const refused = await deploy(holdfast, "hello", large("b"));
    expect([refused.status, refused.code]).toEqual([409, "limit_reached"]);
    expect((await call(holdfast, "hello")).text).toBe("a".repeat(100_000));
    const { json } = await holdfast.manage("GET", management(holdfast, "hello", "versions"));
    expect(asList(json["versions"])).toMatchObject([{ number: 1, is_live: true }]);
    const rows = await holdfast.installation.store.transaction(({ db }) =>
      db.selectFrom("function_blobs").select("size").execute(),
    );
    expect(rows.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(400_000);
    await holdfast.manage("DELETE", pathOf(holdfast.app, "hello"));
    expect((await deploy(holdfast, "hello", large("b"))).status).toBe(200);
  });

  it("rolls back to an earlier version by number, or to the previous version", async () => {
    const holdfast = await startTestServer();
    for (const text of ["one", "two", "three"]) await deploy(holdfast, "hello", answering(text));
    const back = (json: object) => holdfast.manage("POST", management(holdfast, "hello", "rollback"), { json });
    expect((await back({})).json).toEqual({ version: 2 });
    expect((await call(holdfast, "hello")).text).toBe("two");
    expect((await back({ to: 3 })).json).toEqual({ version: 3 });
    expect((await call(holdfast, "hello")).text).toBe("three");
    const missing = await back({ to: 9 });
    expect([missing.status, missing.json["message"]]).toEqual([404, expect.stringContaining("3, 2, 1")]);
    await back({ to: 1 });
    const before_first = await back({});
    expect(before_first.status).toBe(404);
    expect(before_first.json["message"]).toMatch(/does not have a version before 1, the live one.*--to/);
    await back({ to: 3 });
    const { json } = await holdfast.manage("GET", management(holdfast, "hello", "versions"));
    expect(asList(json["versions"])).toMatchObject([
      { number: 3, is_live: true, created_by: expect.stringMatching(/^api_key:/), built_with: "0.1.0" },
      { number: 2, is_live: false },
      { number: 1, is_live: false },
    ]);
  });

  it("does not roll back to a version with which its app would have too much source", async () => {
    const holdfast = await startTestServer({ limits: { functions_source_bytes: 3_000 } });
    const large = (text: string): string => answering(text.repeat(2_000));
    await deploy(holdfast, "first", large("a"));
    await deploy(holdfast, "first", answering("small"));
    await deploy(holdfast, "second", large("b"));
    const refused = await holdfast.manage("POST", management(holdfast, "first", "rollback"), { json: {} });
    expect([refused.status, refused.code]).toEqual([409, "limit_reached"]);
    expect((await call(holdfast, "first")).text).toBe("small");
    const reply = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/backend-functions`);
    expect(reply.json["functions"]).toMatchObject([{ name: "first", version: 2 }, { name: "second" }]);
  });

  it("has the schedules of its live version", { tags: "all" }, async () => {
    const holdfast = await startTestServer();
    const { store } = holdfast.installation;
    const daily = (name: string) => ({
      name,
      type: "scheduled",
      schedule_mode: "recurring",
      schedule_type: "cron",
      cron_expression: "0 3 * * *",
    });
    const schedules = async () =>
      (await store.listSchedules(holdfast.app.app_id, "hello")).map(({ automation_name }) => automation_name);
    await deploy(holdfast, "hello", answering("one"), { automations: [daily("first")] });
    expect(await schedules()).toEqual(["first"]);
    await deploy(holdfast, "hello", answering("one"), { automations: [daily("second")] });
    expect(await schedules()).toEqual(["second"]);
    await holdfast.manage("POST", management(holdfast, "hello", "rollback"), { json: {} });
    expect(await schedules()).toEqual(["first"]);
    await holdfast.manage("DELETE", pathOf(holdfast.app, "hello"));
    expect(await schedules()).toEqual([]);
  });

  it("does not exist after its deletion, and deleting it again reports that", async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, "hello", answering("one"));
    expect((await holdfast.manage("DELETE", pathOf(holdfast.app, "hello"))).json).toEqual({ success: true });
    const again = await holdfast.manage("DELETE", pathOf(holdfast.app, "hello"));
    expect([again.status, again.code]).toEqual([404, "function_not_found"]);
    expect((await call(holdfast, "hello")).code).toBe("function_not_found");
  });

  it("is called in the version that another process deployed, and with its secrets, within a second", async () => {
    const holdfast = await startTestServer();
    const { config, clock } = holdfast;
    const { app_id } = holdfast.app;
    const other = await openInstallation({ config, clock, log: silentLog }, "command");
    onTestFinished(() => other.close());
    const elsewhere = (content: string) =>
      other.functions.deploy(
        app_id,
        "hello",
        { entry: "entry.js", files: [{ path: "entry.js", content }], automations: [] },
        "test",
      );
    await deploy(holdfast, "hello", answering("one"));
    expect((await call(holdfast, "hello")).text).toBe("one");
    await elsewhere(`Deno.serve(() => new Response(Deno.env.get("KEY") ?? "two"));`);
    await clock.advance(1_000);
    expect((await call(holdfast, "hello")).text).toBe("two");
    await other.appSecrets.set(app_id, { KEY: new Secret("three") });
    await clock.advance(1_000);
    expect((await call(holdfast, "hello")).text).toBe("three");
    await other.functions.rollback(app_id, "hello", null);
    await clock.advance(1_000);
    expect((await call(holdfast, "hello")).text).toBe("one");
    await other.functions.remove(app_id, "hello");
    await clock.advance(1_000);
    expect((await call(holdfast, "hello")).code).toBe("function_not_found");
  });

  it("F3: looks to another app like a missing function, byte for byte", async () => {
    const holdfast = await startTestServer();
    const other = await holdfast.createApp("other");
    await deploy(holdfast, "hello", answering("one"));
    const replies = [await call(holdfast, "hello", other)];
    await holdfast.manage("DELETE", pathOf(holdfast.app, "hello"));
    replies.push(await call(holdfast, "hello", other), await call(holdfast, "hello"));
    const [first] = replies;
    expect([first?.status, first?.code]).toEqual([404, "function_not_found"]);
    const bytes = (reply: Reply): string => {
      const headers = [...reply.headers].filter(([name]) => name !== "date");
      return JSON.stringify([reply.status, headers, reply.text]);
    };
    expect(new Set(replies.map(bytes)).size).toBe(1);
  });

  it("is refused with a name that cannot be called, or an automation of an unknown type", async () => {
    const holdfast = await startTestServer();
    for (const name of ["a b", "../x", "a//b", "/a", "a/", "x".repeat(65), "a.b", "é"]) {
      const reply = await deploy(holdfast, name, answering("x"));
      expect([name, reply.status, reply.code]).toEqual([name, 400, "deployment_invalid"]);
    }
    const automations = [{ name: "x", type: "telepathy" }];
    const unknown = await deploy(holdfast, "hello", answering("x"), { automations });
    expect([unknown.status, unknown.json["message"]]).toEqual([400, expect.stringContaining("/automations/0")]);
    const hourly = { name: "hourly", type: "scheduled", schedule_mode: "recurring", schedule_type: "cron" };
    const cron = await deploy(holdfast, "hello", answering("x"), {
      automations: [{ ...hourly, cron_expression: "61 * * * *" }],
    });
    expect([cron.status, cron.json["message"]]).toEqual([
      400,
      expect.stringContaining("/automations/0/cron_expression"),
    ]);
    const { json } = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/backend-functions`);
    expect(json).toEqual({ functions: [] });
  });

  it("is not read into memory for a caller who is not allowed to deploy", async () => {
    const holdfast = await startTestServer();
    const reply = await holdfast.request("PUT", pathOf(holdfast.app, "hello"), {
      headers: { "content-type": "application/json" },
      // Not JSON: a server that read it would say so.
      body: "{".repeat(100_000),
    });
    expect([reply.status, reply.code]).toEqual([401, "missing_token"]);
  });
});

describe("secrets", () => {
  const PRINTS = `Deno.serve(() => Response.json([Deno.env.get("KEY") ?? null, Deno.env.toObject()]));`;
  const secretsOf = ({ app_id }: TestApp): string => `/api/apps/${app_id}/secrets`;

  it("reach the next call of a function, and are never shown again", async () => {
    const holdfast = await startTestServer();
    await deploy(holdfast, "env", PRINTS);
    expect((await call(holdfast, "env")).text).toBe("[null,{}]");
    const set = await holdfast.manage("POST", secretsOf(holdfast.app), {
      json: { KEY: "canary-1", OTHER: "canary-2" },
    });
    expect(set.json).toEqual({ success: true });
    expect(JSON.parse((await call(holdfast, "env")).text)).toEqual([
      "canary-1",
      { KEY: "canary-1", OTHER: "canary-2" },
    ]);
    const listed = await holdfast.manage("GET", secretsOf(holdfast.app));
    expect(listed.json).toEqual({ KEY: "********", OTHER: "********" });
    const gone = await holdfast.manage("DELETE", `${secretsOf(holdfast.app)}?secret_name=KEY`);
    const again = await holdfast.manage("DELETE", `${secretsOf(holdfast.app)}?secret_name=KEY`);
    expect([gone.json, again.json]).toEqual([{ success: true }, { success: false }]);
    expect(JSON.parse((await call(holdfast, "env")).text)).toEqual([null, { OTHER: "canary-2" }]);
    expect((await audited(holdfast, "secret.")).toSorted()).toEqual(["secret.delete", "secret.set", "secret.set"]);
    expect(JSON.stringify(holdfast.log)).not.toContain("canary");
  });

  it("belong to one app", async () => {
    const holdfast = await startTestServer();
    const other = await holdfast.createApp("other");
    await holdfast.manage("POST", secretsOf(holdfast.app), { json: { KEY: "mine" } });
    expect((await holdfast.manage("GET", secretsOf(other))).json).toEqual({});
  });

  it.each([
    ["DENO_DIR", "x"],
    ["LD_PRELOAD", "x"],
    ["NODE_OPTIONS", "x"],
    ["HOLDFAST_MASTER_KEY", "x"],
    ["PATH", "x"],
    ["HOME", "x"],
    ["1KEY", "x"],
    ["A-B", "x"],
    ["", "x"],
    ["N".repeat(129), "x"],
    ["KEY", "a\0b"],
    ["KEY", "x".repeat(65_537)],
    ["KEY", "é".repeat(32_769)],
    ["KEY", 7],
    ["KEY", null],
  ])("named %s are refused, and none of the request is stored", async (name, value) => {
    const holdfast = await startTestServer();
    const reply = await holdfast.manage("POST", secretsOf(holdfast.app), { json: { GOOD: "canary", [name]: value } });
    expect([reply.status, reply.code]).toEqual([400, "invalid_field"]);
    expect(reply.text).not.toContain("canary");
    expect((await holdfast.manage("GET", secretsOf(holdfast.app))).json).toEqual({});
  });

  it.each(["__proto__", "constructor", "prototype"])(
    "named %s are refused over HTTP, and by commands",
    async (name) => {
      const holdfast = await startTestServer();
      const reply = await holdfast.manage("POST", secretsOf(holdfast.app), {
        body: `{"${name}":"x"}`,
        headers: { "content-type": "application/json" },
      });
      expect([reply.status, reply.code]).toEqual([400, "forbidden_key"]);
      const { appSecrets } = holdfast.installation;
      const values = Object.fromEntries([[name, new Secret("x")]]);
      const stored = appSecrets.set(asAppId(holdfast.app.app_id), values);
      await expect(stored).rejects.toMatchObject({ code: "invalid_field" });
      expect(await appSecrets.list(asAppId(holdfast.app.app_id))).toEqual([]);
    },
  );

  it("can have a name that differs from a reserved one only in case, and sets nothing else", async () => {
    const holdfast = await startTestServer();
    const json = { path: "1", home: "2", node_options: "--inspect", Ld_preload: "/x.so", deno_dir: "/x", KEY: "3" };
    expect((await holdfast.manage("POST", secretsOf(holdfast.app), { json })).status).toBe(200);
    await deploy(holdfast, "env", PRINTS);
    expect(JSON.parse((await call(holdfast, "env")).text)).toEqual(["3", json]);
  });

  it("are limited to 64 KiB each and a hundred per app", { tags: "all" }, async () => {
    const holdfast = await startTestServer();
    const full = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`N${i}`, "x".repeat(65_536)]));
    expect((await holdfast.manage("POST", secretsOf(holdfast.app), { json: full })).status).toBe(200);
    const more = await holdfast.manage("POST", secretsOf(holdfast.app), { json: { N1: "changed", EXTRA: "x" } });
    expect([more.status, more.code]).toEqual([409, "limit_reached"]);
    await deploy(
      holdfast,
      "sizes",
      `Deno.serve(() => new Response(String(Object.values(Deno.env.toObject()).join("").length)));`,
    );
    expect((await call(holdfast, "sizes")).text).toBe(String(100 * 65_536));
  });
});
