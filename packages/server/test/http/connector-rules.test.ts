/** The rules of connectors over HTTP: declared scopes, other builders, settings, switches. */
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { run } from "../../src/store/operation.ts";
import { fieldsOf, textOf } from "../support/browser.ts";
import { asList, type Reply } from "../support/http.ts";
import { addAccount, type TestServer } from "../support/server.ts";
import { addScopes, externalAuth, listed, startWithClient } from "./stage.ts";

/** Makes another member of the workspace the builder who connected it. */
async function connectedByAnother({ installation, app }: TestServer): Promise<void> {
  await installation.store.transaction((tx) =>
    run(tx.db.updateTable("connections").set({ connected_by: "usr_other" }).where("app_id", "=", app.app_id)),
  );
}

describe("scopes", () => {
  it("PUT replaces them, and omitted ones are dropped when the new consent is complete, not before", async () => {
    const holdfast = await startWithClient("github");
    await holdfast.connect("github", { declared: ["repo", "gist"] });
    const person = await holdfast.signedIn();
    const { redirect_url } = (await holdfast.initiate("github", { scopes: ["gist"] })).json;
    expect(await listed(holdfast)).toMatchObject([{ scopes: ["repo", "gist"] }]);
    await person.consent(String(redirect_url));
    expect(await listed(holdfast)).toMatchObject([{ scopes: ["gist"] }]);
  });

  it("POST initiate adds to the declared ones", async () => {
    const holdfast = await startWithClient("github");
    await holdfast.connect("github", { declared: ["repo"] });
    const person = await holdfast.signedIn();
    const added = await addScopes(holdfast, { integration_type: "github", scopes: ["gist"] });
    expect(added.json).toMatchObject({ already_authorized: false, error: null });
    await person.consent(String(added.json["redirect_url"]));
    expect(await listed(holdfast)).toMatchObject([{ scopes: ["repo", "gist"] }]);
    const again = await addScopes(holdfast, { integration_type: "github", scopes: ["repo"] });
    expect(again.json).toMatchObject({ already_authorized: true, redirect_url: null });
    expect(await listed(holdfast)).toMatchObject([{ scopes: ["repo", "gist"] }]);
  });

  it("none declared means the defaults, to which others are added", async () => {
    const holdfast = await startWithClient("github");
    await holdfast.connect("github");
    expect(await listed(holdfast)).toMatchObject([{ scopes: [] }]);
    const person = await holdfast.signedIn();
    const defaults = holdfast.installation.catalog.get("github")?.default_scopes ?? [];
    await person.consent(
      String((await addScopes(holdfast, { integration_type: "github", scopes: ["gist"] })).json["redirect_url"]),
    );
    expect(await listed(holdfast)).toMatchObject([{ scopes: [...new Set([...defaults, "gist"])] }]);
  });

  it("the defaults written out equal none declared, and the list returns what was pushed", async () => {
    const holdfast = await startWithClient("github");
    await holdfast.connect("github");
    const defaults = [...(holdfast.installation.catalog.get("github")?.default_scopes ?? [])].toReversed();
    const pushed = await holdfast.initiate("github", { scopes: defaults });
    expect(pushed.json["already_authorized"]).toBe(true);
    expect(await listed(holdfast)).toMatchObject([{ scopes: defaults }]);
    expect((await holdfast.initiate("github", { scopes: [] })).json["already_authorized"]).toBe(true);
    expect(await listed(holdfast)).toMatchObject([{ scopes: [] }]);
  });
});

describe("another builder of the app", () => {
  it("with the same scopes learns who connected it, and nothing else", async () => {
    const holdfast = await startWithClient("github");
    await holdfast.connect("github", { declared: ["repo"] });
    await connectedByAnother(holdfast);
    const reply = await holdfast.initiate("github", { scopes: ["repo"] });
    expect([reply.status, reply.json]).toEqual([
      200,
      {
        redirect_url: null,
        connection_id: null,
        already_authorized: false,
        error: "different_user",
        error_message: expect.stringContaining("force_reconnect") as unknown,
        other_user_email: null,
      },
    ]);
    expect((await holdfast.initiate("github", { scopes: ["gist"] })).json).toMatchObject({
      error: null,
      redirect_url: expect.any(String) as unknown,
    });
  });

  it("learns the email address of the builder who connected it", async () => {
    const holdfast = await startWithClient("github");
    const { installation, builder } = holdfast;
    await holdfast.connect("github", { declared: ["repo"] });
    const { workspace_id } = builder;
    const grace = { name: "Grace", email: "grace@example.com", workspace_id, role: "editor" } as const;
    const user_id = await addAccount(installation.store, grace);
    const { api_key } = await installation.apiKeys.create({
      workspace_id,
      user_id,
      name: "ci",
      scope: "write",
      expires_at: null,
    });
    const other = { ...holdfast.app, api_key: api_key.expose() };
    const reply = await holdfast.initiate("github", { scopes: ["repo"] }, other);
    expect(reply.json).toMatchObject({ error: "different_user", other_user_email: builder.email });
    const forced = await holdfast.manage("POST", `${externalAuth(holdfast)}/initiate`, {
      headers: { api_key: other.api_key },
      json: { integration_type: "github", scopes: ["repo"], force_reconnect: true },
    });
    const link = String(forced.json["redirect_url"]);
    const ada = await holdfast.signedIn();
    expect([(await ada.get(link)).status, (await ada.post(link, {})).status]).toEqual([403, 403]);
    await (await holdfast.signedIn(user_id)).consent(link);
    expect((await holdfast.row("github")).connected_by).toBe(user_id);
    const back = await holdfast.initiate("github", { scopes: ["repo"] });
    expect(back.json).toMatchObject({ error: "different_user", other_user_email: grace.email });
  });

  it("is refused at every step of another builder's connect link, without a token request, and its owner can continue", async () => {
    const holdfast = await startWithClient("github");
    const { installation, builder, simulator } = holdfast;
    const { workspace_id } = builder;
    const grace = { name: "Grace", email: "grace@example.com", workspace_id, role: "owner" } as const;
    const stranger = await holdfast.signedIn(await addAccount(installation.store, grace));
    const { redirect_url } = (await holdfast.initiate("github")).json;
    const link = String(redirect_url);
    const { form_token = "" } = fieldsOf((await stranger.get("/device")).text);
    const refusal = ({ status, text }: Reply) => [status, /flow_user_mismatch/.exec(text)?.[0]];
    const refused = [403, "flow_user_mismatch"];
    expect(refusal(await stranger.get(link))).toEqual(refused);
    expect(refusal(await stranger.post(link, { form_token }))).toEqual(refused);
    const ada = await holdfast.signedIn();
    const authorization_url = await ada.start(link);
    expect(refusal(await stranger.get(`${link}/go`))).toEqual(refused);
    expect(refusal(await stranger.get(`${link}/result`))).toEqual(refused);
    const exchanges = () => simulator.ledger().requests.filter(({ kind }) => kind === "code_exchange");
    expect(exchanges()).toEqual([]);
    expect(await installation.store.listConnections(holdfast.app.app_id)).toEqual([]);
    // None of that consumed the link.
    expect(textOf((await ada.finish(await approveConsent(authorization_url))).text)).toContain("is connected");
    expect(exchanges()).toHaveLength(1);
    expect((await holdfast.row("github")).connected_by).toBe(builder.user_id);
  });

  it("whose session completes another builder's consent burns it, without a token request", async () => {
    const holdfast = await startWithClient("github");
    const { installation, builder, simulator } = holdfast;
    const { workspace_id } = builder;
    const grace = { name: "Grace", email: "grace@example.com", workspace_id, role: "owner" } as const;
    const stranger = await holdfast.signedIn(await addAccount(installation.store, grace));
    const ada = await holdfast.signedIn();
    const callback = await approveConsent(
      await ada.start(String((await holdfast.initiate("github")).json["redirect_url"])),
    );
    // Even with the flow's cookie.
    stranger.cookies.set("holdfast-flow", ada.cookies.get("holdfast-flow") ?? "");
    const reply = await stranger.get(callback, { accept: "application/json" });
    expect([reply.status, reply.code]).toEqual([403, "flow_user_mismatch"]);
    expect((await ada.get(callback, { accept: "application/json" })).code).toBe("state_used");
    expect(simulator.ledger().requests.filter(({ kind }) => kind === "code_exchange")).toEqual([]);
  });

  it("with force_reconnect gets a consent that takes over the connection", async () => {
    const holdfast = await startWithClient("github");
    await holdfast.connect("github", { declared: ["repo"] });
    await connectedByAnother(holdfast);
    const request = { integration_type: "github", scopes: ["repo"] };
    expect((await addScopes(holdfast, request)).json["error"]).toBe("different_user");
    const forced = await addScopes(holdfast, { ...request, force_reconnect: true });
    expect(forced.json).toMatchObject({ error: null, already_authorized: false });
    const person = await holdfast.signedIn();
    await person.consent(String(forced.json["redirect_url"]));
    const { connected_by } = await holdfast.row("github");
    expect(connected_by).not.toBe("usr_other");
    expect((await addScopes(holdfast, request)).json["already_authorized"]).toBe(true);
  });

  it("sees another builder's consent as PENDING, regardless of its outcome", async () => {
    const holdfast = await startWithClient("github");
    const statusOf = async (id: unknown) =>
      (
        await holdfast.manage(
          "GET",
          `${externalAuth(holdfast)}/status?integration_type=github&connection_id=${String(id)}`,
        )
      ).json;
    const { connection_id } = (await holdfast.initiate("github")).json;
    await holdfast.connect("github");
    const { id } = await holdfast.row("github");
    expect(await statusOf(id)).toMatchObject({ status: "ACTIVE" });
    await connectedByAnother(holdfast);
    await holdfast.installation.store.transaction((tx) =>
      run(tx.db.updateTable("flows").set({ initiator: "usr_other" }).where("app_id", "=", holdfast.app.app_id)),
    );
    for (const foreign of [id, connection_id])
      expect(await statusOf(foreign)).toEqual({ status: "PENDING", missing_scopes: [] });
  });
});

describe("connection settings", () => {
  const path = (holdfast: TestServer) => `${externalAuth(holdfast)}/connection-config/share_point`;
  const config = { subdomain: "sites/one", tenant: "organizations" };

  it("are listed with their saved values", async () => {
    const holdfast = await startWithClient("share_point");
    const before = await holdfast.manage("GET", path(holdfast));
    expect(before.json).toMatchObject({ integration_type: "share_point", connection_config: {} });
    expect(asList(before.json["connection_config_fields"]).map(({ name }) => name)).toEqual(["subdomain", "tenant"]);
    await holdfast.connect("share_point", { config });
    expect((await holdfast.manage("GET", path(holdfast))).json["connection_config"]).toEqual(config);
  });

  it("stay when none are sent, match when they are equal, and need a consent when they differ", async () => {
    const holdfast = await startWithClient("share_point");
    await holdfast.connect("share_point", { config });
    const authorized = async (body: object) =>
      (await holdfast.initiate("share_point", { scopes: [], ...body })).json["already_authorized"];
    expect(await authorized({})).toBe(true);
    expect(await authorized({ connection_config: null })).toBe(true);
    expect(await authorized({ connection_config: { subdomain: "sites/one" } })).toBe(true);
    expect(await authorized({ connection_config: { subdomain: "sites/two" } })).toBe(false);
    const other = await addScopes(holdfast, {
      integration_type: "share_point",
      connection_config: { subdomain: "sites/two" },
    });
    const person = await holdfast.signedIn();
    await person.consent(String(other.json["redirect_url"]));
    expect((await holdfast.token("share_point")).json["connection_config"]).toMatchObject({ subdomain: "sites/two" });
    expect(await authorized({})).toBe(true);
    const wrong = await addScopes(holdfast, {
      integration_type: "share_point",
      connection_config: { subdomain: "a b" },
    });
    expect([wrong.status, wrong.code]).toEqual([400, "invalid_connection_config"]);
  });

  it("and scopes survive a disconnect, and are deleted by a removal", async () => {
    const holdfast = await startWithClient("share_point");
    await holdfast.connect("share_point", { declared: ["Sites.Read.All"], config });
    const integration = `${externalAuth(holdfast)}/integrations/share_point`;
    for (let time = 0; time < 2; time += 1)
      expect((await holdfast.manage("DELETE", integration)).json).toEqual({
        status: "disconnected",
        integration_type: "share_point",
      });
    expect(await listed(holdfast)).toMatchObject([{ status: "disconnected", scopes: ["Sites.Read.All"] }]);
    expect((await holdfast.manage("GET", path(holdfast))).json["connection_config"]).toEqual(config);
    for (let time = 0; time < 2; time += 1)
      expect((await holdfast.manage("DELETE", `${integration}/remove`)).json).toEqual({
        status: "removed",
        integration_type: "share_point",
      });
    expect(await listed(holdfast)).toEqual([]);
    expect((await holdfast.manage("GET", path(holdfast))).json["connection_config"]).toEqual({});
  });
});

describe("the workspace's switches", () => {
  const switches = async (holdfast: TestServer, integration_type = "slack") =>
    `/api/workspace/${await holdfast.installation.apps.workspace()}/connector-governance/${integration_type}`;

  it("refuse tokens and consents of every app while off, with their own code, and restore everything when on", async () => {
    const holdfast = await startWithClient("slack");
    await holdfast.connect("slack");
    const token = await holdfast.accessToken("slack");
    const link = String((await holdfast.initiate("slack", { scopes: ["chat:write"] })).json["redirect_url"]);
    const off = await holdfast.manage("PUT", await switches(holdfast), { json: { builder_connection_enabled: false } });
    expect(off.json).toEqual({
      integration_type: "slack",
      builder_connection_enabled: false,
      per_user_connection_enabled: true,
    });
    for (const reply of [
      await holdfast.token("slack"),
      await holdfast.initiate("slack"),
      await addScopes(holdfast, { integration_type: "slack", scopes: ["chat:write"] }),
    ])
      expect([reply.status, reply.code]).toEqual([403, "connector_blocked"]);
    const person = await holdfast.signedIn();
    await expect(person.start(link)).rejects.toThrow(/403/);
    await holdfast.manage("PUT", await switches(holdfast), { json: { builder_connection_enabled: true } });
    expect(await holdfast.accessToken("slack")).toBe(token);
  });

  it("block the result of a consent that was in progress when they were turned off", async () => {
    const holdfast = await startWithClient("slack");
    const person = await holdfast.signedIn();
    const started = await person.start(String((await holdfast.initiate("slack")).json["redirect_url"]));
    await holdfast.manage("PUT", await switches(holdfast), { json: { builder_connection_enabled: false } });
    await person.finish(await approveConsent(started));
    expect((await holdfast.token("slack")).code).toBe("connector_blocked");
    await holdfast.manage("PUT", await switches(holdfast), { json: { builder_connection_enabled: true } });
    expect((await holdfast.token("slack")).status).toBe(200);
  });

  it("are listed for every service, by workspace and by app, and affect no other service", async () => {
    const holdfast = await startWithClient("slack");
    await holdfast.manage("PUT", await switches(holdfast), { json: { per_user_connection_enabled: false } });
    const workspace = await holdfast.installation.apps.workspace();
    const ofWorkspace = await holdfast.manage("GET", `/api/workspace/${workspace}/connector-governance`);
    const ofApp = await holdfast.manage("GET", `${externalAuth(holdfast)}/connector-governance`);
    expect(ofApp.json).toEqual(ofWorkspace.json);
    const list = asList(ofApp.json["integrations"]);
    expect(list).toHaveLength(holdfast.installation.catalog.all().length);
    expect(list.filter((one) => one["per_user_connection_enabled"] === false)).toEqual([
      { integration_type: "slack", builder_connection_enabled: true, per_user_connection_enabled: false },
    ]);
  });

  it("refuse unknown fields, services and workspaces", async () => {
    const holdfast = await startWithClient("slack");
    const put = async (path: string, json: unknown) => {
      const reply = await holdfast.manage("PUT", path, { json });
      return [reply.status, reply.code];
    };
    expect(await put(await switches(holdfast), { enabled: false })).toEqual([400, "unknown_field"]);
    expect(await put(await switches(holdfast), { builder_connection_enabled: "no" })).toEqual([400, "invalid_field"]);
    expect(await put(await switches(holdfast, "slak"), {})).toEqual([404, "unknown_service"]);
    expect(await put("/api/workspace/wsp_00000000000000000000/connector-governance/slack", {})).toEqual([
      404,
      "not_found",
    ]);
    expect((await holdfast.request("GET", await switches(holdfast))).status).toBe(401);
  });
});
