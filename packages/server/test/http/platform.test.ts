/** Calls of the public clients to the platform: access, and the exact keys of the replies. */
import { describe, expect, it } from "vitest";
import { asAppId } from "../../src/core/ids.ts";
import { MINUTE } from "../support/clock.ts";
import { asList, type Json, type Reply } from "../support/http.ts";
import { addAccount, startTestServer, type TestServer } from "../support/server.ts";

const keys = (value: unknown): readonly string[] => Object.keys(Object(value)).toSorted();
const errorOf = ({ status, code }: Reply): unknown => [status, code];

/** The builder's routes that this file tests. */
function routes({ app }: TestServer, app_id: string = app.app_id): readonly (readonly [string, string, unknown?])[] {
  const base = `/api/apps/${app_id}`;
  const external = `${base}/external-auth`;
  return [
    ["GET", `${external}/available-integrations`],
    ["GET", `${external}/list`],
    ["PUT", `${external}/integrations/slack`, { scopes: [] }],
    ["POST", `${external}/initiate`, { integration_type: "slack" }],
    ["GET", `${external}/connection-config/slack`],
    ["GET", `${external}/connector-governance`],
    ["GET", `${external}/status?integration_type=slack&connection_id=x`],
    ["DELETE", `${external}/integrations/slack`],
    ["DELETE", `${external}/integrations/slack/remove`],
    ["GET", base],
    ["PUT", base, { public_settings: "private_with_login" }],
    ["GET", `${base}/payments/stripe/status`],
    ["POST", `${base}/payments/stripe/install`],
    ["DELETE", `${base}/payments/stripe`],
  ];
}

it("redirects the dashboard addresses that the public command line prints to the start page", async () => {
  const holdfast = await startTestServer();
  for (const page of ["overview", "app-connections"]) {
    const reply = await holdfast.request("GET", `/apps/${holdfast.app.app_id}/editor/workspace/${page}`);
    expect([reply.status, new URL(reply.headers.get("location") ?? "").pathname]).toEqual([302, "/"]);
  }
});

describe("callers", () => {
  it("without a credential are asked for one", async () => {
    const holdfast = await startTestServer();
    const others = [
      ["GET", "/api/apps"],
      ["POST", "/api/apps", { name: "x" }],
      ["GET", "/api/workspace/workspaces"],
    ] as const;
    for (const [method, path, json] of [...routes(holdfast), ...others])
      expect([method, path, errorOf(await holdfast.request(method, path, { json }))]).toEqual([
        method,
        path,
        [401, "missing_token"],
      ]);
  });

  it("with a service token are refused: the routes are for builders", async () => {
    const holdfast = await startTestServer();
    const headers = { authorization: `Bearer ${holdfast.app.service_token}` };
    for (const [method, path, json] of routes(holdfast))
      expect(errorOf(await holdfast.request(method, path, { json, headers }))).toEqual([403, "builder_required"]);
  });

  it("do not find an unknown app", async () => {
    const holdfast = await startTestServer();
    for (const [method, path, json] of routes(holdfast, "app_00000000000000000000"))
      expect([method, path, errorOf(await holdfast.manage(method, path, { json }))]).toEqual([
        method,
        path,
        [404, "not_found"],
      ]);
  });

  it("learn which field is wrong", async () => {
    const holdfast = await startTestServer();
    const base = `/api/apps/${holdfast.app.app_id}`;
    const external = `${base}/external-auth`;
    for (const [method, path, json, name] of [
      ["PUT", `${external}/integrations/slack`, { scopes: "a" }, "/scopes"],
      ["PUT", `${external}/integrations/slack`, { connection_config: { a: 1 } }, "/connection_config/a"],
      ["POST", `${external}/initiate`, {}, "/integration_type"],
      ["POST", `${external}/initiate`, { integration_type: "slack", force_reconnect: "yes" }, "/force_reconnect"],
      ["GET", `${external}/status?integration_type=slack`, undefined, "/connection_id"],
      ["PUT", base, { public_settings: "secret" }, "/public_settings"],
      ["POST", "/api/apps", {}, "/name"],
      ["GET", "/api/apps?limit=0", undefined, "limit"],
    ] as const) {
      const reply = await holdfast.manage(method, path, { json });
      expect([path, errorOf(reply)]).toEqual([path, [400, "invalid_field"]]);
      expect(asList(reply.extra["errors"]).map((error) => error["name"])).toContain(name);
    }
  });

  it("get their own request id back, or a new one when it is invalid", async () => {
    const holdfast = await startTestServer();
    const headers = { "x-request-id": "0b9f4a0e-6c2b-4f0c-8f59-1f1f6a1b2c3d" };
    for (const [method, path, json] of routes(holdfast))
      expect((await holdfast.manage(method, path, { json, headers })).headers.get("x-request-id")).toBe(
        headers["x-request-id"],
      );
    const odd = await holdfast.manage("GET", "/api/apps", { headers: { "x-request-id": "a b" } });
    expect(odd.headers.get("x-request-id")).toMatch(/^req_/);
  });
});

describe("shapes", () => {
  it("of connectors have the contract's keys", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("salesforce", { account: "ada@example.com" });
    const get = async (path: string): Promise<Json> =>
      (await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/${path}`)).json;
    const available = asList((await get("available-integrations"))["integrations"]);
    expect(new Set(available.map((one) => keys(one).join()))).toEqual(
      new Set(["connection_config_fields,description,display_name,integration_type"]),
    );
    const fields = available.flatMap((one) => asList(one["connection_config_fields"]));
    expect(new Set(fields.map((field) => keys(field).join()))).toEqual(
      new Set(["description,display_name,name,placeholder,required,validation_error,validation_pattern"]),
    );
    for (const one of available) expect([typeof one["description"], one["description"]]).not.toContain(null);
    const [entry] = asList((await get("list"))["integrations"]);
    expect(keys(entry)).toEqual([
      "account_label",
      "integration_type",
      "missing_scopes",
      "reason",
      "scopes",
      "status",
      "user_email",
    ]);
    expect(keys(await get("connection-config/salesforce"))).toEqual([
      "connection_config",
      "connection_config_fields",
      "integration_type",
    ]);
    const [switches] = asList((await get("connector-governance"))["integrations"]);
    expect(keys(switches)).toEqual(["builder_connection_enabled", "integration_type", "per_user_connection_enabled"]);
    expect(
      keys(await get("status?integration_type=salesforce&connection_id=" + (await holdfast.row("salesforce")).id)),
    ).toEqual(["missing_scopes", "status"]);
  });

  it("of the available services are public, the same with and without an app", async () => {
    const holdfast = await startTestServer();
    const open = await holdfast.request("GET", "/api/external-auth/available-integrations");
    const ofApp = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/available-integrations`);
    expect([open.status, open.text]).toEqual([200, ofApp.text]);
  });

  it("of stripe report that it is not supported", async () => {
    const holdfast = await startTestServer();
    const stripe = `/api/apps/${holdfast.app.app_id}/payments/stripe`;
    expect((await holdfast.manage("GET", `${stripe}/status`)).json).toEqual({ stripe_mode: null });
    for (let time = 0; time < 2; time += 1)
      expect((await holdfast.manage("DELETE", stripe)).json).toEqual({ success: true });
    const refused = await holdfast.manage("POST", `${stripe}/install`);
    expect(errorOf(refused)).toEqual([409, "stripe_unsupported"]);
    expect(refused.json["message"]).toContain("remove the stripe file");
  });

  it("of apps are the contract's: a bare list, the requested fields, the newest first", async () => {
    const holdfast = await startTestServer();
    await holdfast.clock.jump(1000);
    const created = await holdfast.manage("POST", "/api/apps", {
      json: {
        name: "Shop",
        user_description: "sells",
        is_managed_source_code: false,
        public_settings: "public_without_login",
      },
    });
    expect([created.status, keys(created.json)]).toEqual([200, ["id"]]);
    const id = String(created.json["id"]);
    const list = await holdfast.manage(
      "GET",
      "/api/apps?sort=-updated_date&fields=id,name,user_description,is_managed_source_code&limit=50",
    );
    const test = { id: holdfast.app.app_id, name: "test", is_managed_source_code: false };
    const shop = { id, name: "Shop", user_description: "sells", is_managed_source_code: false };
    expect(JSON.parse(list.text)).toEqual([shop, test]);
    const names = async (query: string) =>
      asList(JSON.parse((await holdfast.manage("GET", `/api/apps?${query}`)).text)).map(({ name }) => name);
    expect(await names("sort=name")).toEqual(["Shop", "test"]);
    expect(await names("sort=created_date&limit=1")).toEqual(["test"]);
    const workspace = await holdfast.installation.apps.workspace();
    const one = await holdfast.manage("GET", `/api/apps/${id}?fields=id,name,organization_id`);
    expect(one.json).toEqual({ id, name: "Shop", organization_id: workspace });
    const changed = await holdfast.manage("PUT", `/api/apps/${id}`, {
      json: { public_settings: "workspace_with_login" },
    });
    expect(changed.json).toMatchObject({ id, public_settings: "workspace_with_login", user_description: "sells" });
    expect((await holdfast.manage("POST", "/api/apps", { json: { name: "Shop" } })).status).toBe(409);
    const foreign = { name: "Other", organization_id: "wsp_00000000000000000000" };
    expect(errorOf(await holdfast.manage("POST", "/api/apps", { json: foreign }))).toEqual([404, "not_found"]);
  });

  it("a new app leaves no credential that its creator never saw", async () => {
    const holdfast = await startTestServer();
    const { json } = await holdfast.manage("POST", "/api/apps", { json: { name: "Shop" } });
    const tokens = await holdfast.manage("GET", `/api/management/apps/${String(json["id"])}/tokens`);
    expect(asList(tokens.json["tokens"]).filter((token) => token["revoked_at"] === null)).toEqual([]);
  });

  it("a new app goes into the named workspace, or into one where its creator can create apps", async () => {
    const holdfast = await startTestServer();
    const { accounts, apiKeys, store } = holdfast.installation;
    const { workspace_id: team } = holdfast.builder;
    const person = { name: "Eve", email: "eve@example.com", workspace_id: team, role: "viewer" } as const;
    const user_id = await addAccount(store, person);
    const only_viewer = await holdfast.signedIn(user_id);
    const origin = holdfast.config.public_url;
    const cookie = [...only_viewer.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const make = (json: Readonly<Record<string, unknown>>) =>
      holdfast.request("POST", "/api/apps", { headers: { origin, cookie }, json });
    expect((await make({ name: "one" })).code).toBe("insufficient_role");
    await holdfast.clock.jump(MINUTE);
    const own = await accounts.createWorkspace("own", user_id);
    const made = await make({ name: "one", is_managed_source_code: false, public_settings: "public_without_login" });
    expect([made.status, Object.keys(made.json)]).toEqual([200, ["id"]]);
    expect((await store.listApps(own)).map(({ id }) => id)).toEqual([made.json["id"]]);
    expect([(await apiKeys.list(own)).length, await store.listServiceTokens(asAppId(String(made.json["id"])))]).toEqual(
      [0, []],
    );
    expect((await make({ name: "two", organization_id: team })).code).toBe("insufficient_role");
    expect((await make({ name: "two", organization_id: "wsp_00000000000000000000" })).code).toBe("not_found");
    expect((await make({ name: "one", organization_id: own })).code).toBe("already_exists");
  });

  it("of workspaces are the contract's", async () => {
    const holdfast = await startTestServer();
    const reply = await holdfast.manage("GET", "/api/workspace/workspaces");
    const [workspace] = asList(reply.json["workspaces"]);
    expect(keys(workspace)).toEqual(["id", "is_enterprise", "name", "subscription_tier", "user_role"]);
    expect(workspace).toMatchObject({
      id: await holdfast.installation.apps.workspace(),
      subscription_tier: "builder",
      is_enterprise: false,
    });
  });
});

describe("the SDK in a browser", () => {
  const ASKED =
    "authorization,content-type,x-app-id,x-origin-url,x-base44-anonymous-id,base44-functions-version,on-behalf-of,x-data-env,base44-state";
  const origin = "https://shop.example";

  const sdkPaths = ({ app }: TestServer): readonly (readonly [string, string])[] => [
    ["GET", `/api/apps/${app.app_id}/external-auth/tokens/slack`],
    ["POST", `/api/apps/${app.app_id}/functions/hello`],
    ["GET", `/api/apps/${app.app_id}/entities/User/me`],
    ["POST", `/api/apps/${app.app_id}/analytics/track/batch`],
  ];

  it("can call from any origin, with the headers it sends and without a cookie", async () => {
    const holdfast = await startTestServer();
    for (const [method, path] of sdkPaths(holdfast)) {
      const preflight = await holdfast.request("OPTIONS", path, {
        headers: { origin, "access-control-request-method": method, "access-control-request-headers": ASKED },
      });
      expect([path, preflight.status, preflight.text]).toEqual([path, 204, ""]);
      expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
      const allowed = (preflight.headers.get("access-control-allow-headers") ?? "").toLowerCase().split(/,\s*/);
      expect(ASKED.split(",").filter((name) => !allowed.includes(name))).toEqual([]);
      expect(preflight.headers.get("access-control-allow-methods")).toContain(method);
      const call = await holdfast.request(method, path, { headers: { origin } });
      for (const { headers } of [preflight, call]) {
        expect(headers.get("access-control-allow-origin")).toBe("*");
        expect(headers.get("access-control-allow-credentials")).toBeNull();
      }
    }
  });

  it("cannot call routes that accept a session: their replies have no CORS headers", async () => {
    const holdfast = await startTestServer();
    const { app_id } = holdfast.app;
    const paths = routes(holdfast).map(([method, path]) => [method, path] as const);
    const others = [
      ["GET", "/api/apps"],
      ["GET", "/api/workspace/workspaces"],
      ["GET", "/api/management/apps"],
      ["GET", "/"],
      ["GET", `/apps/${app_id}/connect/slack`],
      ["GET", "/api/external-auth/available-integrations"],
    ] as const;
    for (const [method, path] of [...paths, ...others]) {
      const preflight = await holdfast.request("OPTIONS", path, {
        headers: { origin, "access-control-request-method": method },
      });
      const call = await holdfast.manage(method, path, { headers: { origin } });
      for (const { headers } of [preflight, call])
        expect([path, [...headers.keys()].filter((name) => name.startsWith("access-control-"))]).toEqual([path, []]);
    }
  });

  it("gets a reply to events of any content type", async () => {
    const holdfast = await startTestServer();
    const base = `/api/apps/${holdfast.app.app_id}`;
    for (const sent of [
      { json: { events: [{ event_name: "__initialization_event__" }] } },
      { body: "{not json", headers: { "content-type": "text/plain;charset=UTF-8" } },
      {},
    ])
      expect((await holdfast.request("POST", `${base}/analytics/track/batch`, sent)).status).toBe(204);
  });
});
