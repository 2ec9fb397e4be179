/** The rules of connectors over HTTP: declared scopes, another builder, another account, settings, switches, verification. */
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { run } from "../../src/store/operation.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { fieldsOf, textOf } from "../support/browser.ts";
import { asList, type Json, type Reply } from "../support/http.ts";
import { addAccount, agree, startTestServer, type TestServer } from "../support/server.ts";

const external = ({ app }: TestServer): string => `/api/apps/${app.app_id}/external-auth`;

async function ready(integration_type: string, modes: readonly string[] = []): Promise<TestServer> {
  const holdfast = await startTestServer();
  await holdfast.setClient(integration_type, modes);
  return holdfast;
}

const add = (holdfast: TestServer, json: unknown): Promise<Reply> =>
  holdfast.manage("POST", `${external(holdfast)}/initiate`, { json });

async function listed(holdfast: TestServer): Promise<readonly Json[]> {
  return asList((await holdfast.manage("GET", `${external(holdfast)}/list`)).json["integrations"]);
}

/** As if somebody else of the workspace had connected it. */
async function connectedByAnother({ installation, app }: TestServer): Promise<void> {
  await installation.store.transaction((tx) =>
    run(tx.db.updateTable("connections").set({ connected_by: "usr_other" }).where("app_id", "=", app.app_id)),
  );
}

async function audited({ installation, app }: TestServer, prefix: string): Promise<readonly string[]> {
  await installation.audit.flush();
  const events = await installation.store.listAudit(app.app_id, 100);
  return events.flatMap(({ action }) => (action.startsWith(prefix) ? [action] : [])).toReversed();
}

describe("scopes", () => {
  it("PUT replaces them, and the ones left out go when the new consent is complete, not before", async () => {
    const holdfast = await ready("github");
    await holdfast.connect("github", { declared: ["repo", "gist"] });
    const person = await holdfast.signedIn();
    const { redirect_url } = (await holdfast.initiate("github", { scopes: ["gist"] })).json;
    expect(await listed(holdfast)).toMatchObject([{ scopes: ["repo", "gist"] }]);
    await person.consent(String(redirect_url));
    expect(await listed(holdfast)).toMatchObject([{ scopes: ["gist"] }]);
  });

  it("POST initiate adds to the ones present", async () => {
    const holdfast = await ready("github");
    await holdfast.connect("github", { declared: ["repo"] });
    const person = await holdfast.signedIn();
    const added = await add(holdfast, { integration_type: "github", scopes: ["gist"] });
    expect(added.json).toMatchObject({ already_authorized: false, error: null });
    await person.consent(String(added.json["redirect_url"]));
    expect(await listed(holdfast)).toMatchObject([{ scopes: ["repo", "gist"] }]);
    const again = await add(holdfast, { integration_type: "github", scopes: ["repo"] });
    expect(again.json).toMatchObject({ already_authorized: true, redirect_url: null });
    expect(await listed(holdfast)).toMatchObject([{ scopes: ["repo", "gist"] }]);
  });

  it("none declared means the defaults, to which others come", async () => {
    const holdfast = await ready("github");
    await holdfast.connect("github");
    expect(await listed(holdfast)).toMatchObject([{ scopes: [] }]);
    const person = await holdfast.signedIn();
    const defaults = holdfast.installation.catalog.get("github")?.default_scopes ?? [];
    await person.consent(
      String((await add(holdfast, { integration_type: "github", scopes: ["gist"] })).json["redirect_url"]),
    );
    expect(await listed(holdfast)).toMatchObject([{ scopes: [...new Set([...defaults, "gist"])] }]);
  });

  it("written out, the defaults are what they were when none was declared; the list gives what was pushed", async () => {
    const holdfast = await ready("github");
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
  it("with the same scopes is told who connected it, and nothing else", async () => {
    const holdfast = await ready("github");
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

  it("is told by which address it can be asked", async () => {
    const holdfast = await ready("github");
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
    const forced = await holdfast.manage("POST", `${external(holdfast)}/initiate`, {
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

  it("is refused at every step of a foreign connect link, without one token request, and its owner goes on", async () => {
    const holdfast = await ready("github");
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
    // None of that has used the link up.
    expect(textOf((await ada.finish(await approveConsent(authorization_url))).text)).toContain("is connected");
    expect(exchanges()).toHaveLength(1);
    expect((await holdfast.row("github")).connected_by).toBe(builder.user_id);
  });

  it("whose session answers for a foreign consent burns it, without one token request", async () => {
    const holdfast = await ready("github");
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

  it("with force_reconnect gets a consent, which takes the connection over", async () => {
    const holdfast = await ready("github");
    await holdfast.connect("github", { declared: ["repo"] });
    await connectedByAnother(holdfast);
    const wish = { integration_type: "github", scopes: ["repo"] };
    expect((await add(holdfast, wish)).json["error"]).toBe("different_user");
    const forced = await add(holdfast, { ...wish, force_reconnect: true });
    expect(forced.json).toMatchObject({ error: null, already_authorized: false });
    const person = await holdfast.signedIn();
    await person.consent(String(forced.json["redirect_url"]));
    const { connected_by } = await holdfast.row("github");
    expect(connected_by).not.toBe("usr_other");
    expect((await add(holdfast, wish)).json["already_authorized"]).toBe(true);
  });

  it("sees PENDING of what somebody else began, whatever became of it", async () => {
    const holdfast = await ready("github");
    const statusOf = async (id: unknown) =>
      (await holdfast.manage("GET", `${external(holdfast)}/status?integration_type=github&connection_id=${String(id)}`))
        .json;
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

describe("another account at the provider", () => {
  async function consentedAsBob(holdfast: TestServer) {
    await holdfast.connect("googlecalendar", { account: "ada" });
    const person = await holdfast.signedIn();
    const { redirect_url, connection_id } = (
      await add(holdfast, { integration_type: "googlecalendar", force_reconnect: true })
    ).json;
    const shown = await person.finish(
      await approveConsent(await person.start(String(redirect_url)), { account: "bob" }),
    );
    const status = async () =>
      (
        await holdfast.manage(
          "GET",
          `${external(holdfast)}/status?integration_type=googlecalendar&connection_id=${String(connection_id)}`,
        )
      ).json["status"];
    return { person, shown, status };
  }

  const revocations = ({ simulator }: TestServer) =>
    simulator.ledger().requests.filter(({ kind }) => kind === "revoke").length;

  it("changes nothing before somebody has said so on a page: 409 account_changed", async () => {
    const holdfast = await ready("googlecalendar");
    const { person, shown, status } = await consentedAsBob(holdfast);
    expect(shown.status).toBe(409);
    expect(textOf(shown.text)).toMatch(/uses ada.* consented as bob/i);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ generation: 1, status: "active" });
    expect(await status()).toBe("PENDING");
    const action = /action="([^"]+)\/account"/.exec(shown.text)?.[1] ?? "";
    const json = await person.get(`${action}/result`, { accept: "application/json" });
    expect([json.status, json.code]).toEqual([409, "account_changed"]);
    // A form of another site changes nothing, either.
    const forged = await person.post(`${action}/account`, { decision: "replace", form_token: "x" });
    expect([forged.status, await status()]).toEqual([403, "PENDING"]);
  });

  it("is taken when it is confirmed, and its tokens are not revoked afterwards", async () => {
    const holdfast = await ready("googlecalendar");
    const { person, shown, status } = await consentedAsBob(holdfast);
    expect(textOf((await agree(person, shown)).text)).toContain("is connected");
    expect(await status()).toBe("ACTIVE");
    expect(await holdfast.row("googlecalendar")).toMatchObject({ generation: 2, status: "active" });
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    await holdfast.clock.jump(HOUR);
    await holdfast.server.sweeper.tick();
    expect(revocations(holdfast)).toBe(0);
    expect((await audited(holdfast, "consent.")).toSorted()).toEqual([
      "consent.account_changed",
      "consent.connected",
      "consent.connected",
    ]);
  });

  it("is given back when it is declined: its tokens are revoked, the first account goes on", async () => {
    const holdfast = await ready("googlecalendar");
    const { person, shown, status } = await consentedAsBob(holdfast);
    expect(textOf((await agree(person, shown, "keep")).text)).toContain("was not connected");
    expect(await status()).toBe("FAILED");
    await holdfast.server.sweeper.tick();
    expect(revocations(holdfast)).toBe(1);
    expect(await audited(holdfast, "revocation.")).toEqual(["revocation.revoked"]);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    // Pressing the other button afterwards is too late.
    expect(textOf((await agree(person, shown)).text)).toContain("was not connected");
    expect((await holdfast.row("googlecalendar")).generation).toBe(1);
  });

  it("is given back when nobody says anything", async () => {
    const holdfast = await ready("googlecalendar");
    const { person, shown, status } = await consentedAsBob(holdfast);
    await holdfast.clock.jump(10 * MINUTE);
    expect((await agree(person, shown)).status).toBe(400);
    expect(await status()).toBe("FAILED");
    await holdfast.clock.jump(2 * MINUTE);
    await holdfast.server.sweeper.tick();
    expect(revocations(holdfast)).toBe(1);
    expect((await holdfast.row("googlecalendar")).generation).toBe(1);
  });

  it("is nobody's to confirm but the initiator's", async () => {
    const holdfast = await ready("googlecalendar");
    const { shown } = await consentedAsBob(holdfast);
    const action = /<form method="post" action="([^"]+)"/.exec(shown.text)?.[1] ?? "";
    const stranger = holdfast.browser();
    const reply = await stranger.post(action, { ...fieldsOf(shown.text), decision: "replace" });
    expect(reply.status).toBe(401);
    expect((await holdfast.row("googlecalendar")).generation).toBe(1);
  });
});

describe("connection settings", () => {
  const path = (holdfast: TestServer) => `${external(holdfast)}/connection-config/share_point`;
  const config = { subdomain: "sites/one", tenant: "organizations" };

  it("are named with what is saved", async () => {
    const holdfast = await ready("share_point");
    const before = await holdfast.manage("GET", path(holdfast));
    expect(before.json).toMatchObject({ integration_type: "share_point", connection_config: {} });
    expect(asList(before.json["connection_config_fields"]).map(({ name }) => name)).toEqual(["subdomain", "tenant"]);
    await holdfast.connect("share_point", { config });
    expect((await holdfast.manage("GET", path(holdfast))).json["connection_config"]).toEqual(config);
  });

  it("stay when none are sent, match when they are the same, and need a consent when they differ", async () => {
    const holdfast = await ready("share_point");
    await holdfast.connect("share_point", { config });
    const authorized = async (body: object) =>
      (await holdfast.initiate("share_point", { scopes: [], ...body })).json["already_authorized"];
    expect(await authorized({})).toBe(true);
    expect(await authorized({ connection_config: null })).toBe(true);
    expect(await authorized({ connection_config: { subdomain: "sites/one" } })).toBe(true);
    expect(await authorized({ connection_config: { subdomain: "sites/two" } })).toBe(false);
    const other = await add(holdfast, {
      integration_type: "share_point",
      connection_config: { subdomain: "sites/two" },
    });
    const person = await holdfast.signedIn();
    await person.consent(String(other.json["redirect_url"]));
    expect((await holdfast.token("share_point")).json["connection_config"]).toMatchObject({ subdomain: "sites/two" });
    expect(await authorized({})).toBe(true);
    const wrong = await add(holdfast, { integration_type: "share_point", connection_config: { subdomain: "a b" } });
    expect([wrong.status, wrong.code]).toEqual([400, "invalid_connection_config"]);
  });

  it("and scopes outlive a disconnect, and go with a removal", async () => {
    const holdfast = await ready("share_point");
    await holdfast.connect("share_point", { declared: ["Sites.Read.All"], config });
    const integration = `${external(holdfast)}/integrations/share_point`;
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

  it("off: refuses tokens and consents of every app with a code of its own; on again: all is as it was", async () => {
    const holdfast = await ready("slack");
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
      await add(holdfast, { integration_type: "slack", scopes: ["chat:write"] }),
    ])
      expect([reply.status, reply.code]).toEqual([403, "connector_blocked"]);
    const person = await holdfast.signedIn();
    await expect(person.start(link)).rejects.toThrow(/403/);
    await holdfast.manage("PUT", await switches(holdfast), { json: { builder_connection_enabled: true } });
    expect(await holdfast.accessToken("slack")).toBe(token);
  });

  it("off while somebody consents: what comes of it is blocked as well", async () => {
    const holdfast = await ready("slack");
    const person = await holdfast.signedIn();
    const started = await person.start(String((await holdfast.initiate("slack")).json["redirect_url"]));
    await holdfast.manage("PUT", await switches(holdfast), { json: { builder_connection_enabled: false } });
    await person.finish(await approveConsent(started));
    expect((await holdfast.token("slack")).code).toBe("connector_blocked");
    await holdfast.manage("PUT", await switches(holdfast), { json: { builder_connection_enabled: true } });
    expect((await holdfast.token("slack")).status).toBe(200);
  });

  it("are listed for every service, by workspace and by app, and concern no other service", async () => {
    const holdfast = await ready("slack");
    await holdfast.manage("PUT", await switches(holdfast), { json: { per_user_connection_enabled: false } });
    const workspace = await holdfast.installation.apps.workspace();
    const ofWorkspace = await holdfast.manage("GET", `/api/workspace/${workspace}/connector-governance`);
    const ofApp = await holdfast.manage("GET", `${external(holdfast)}/connector-governance`);
    expect(ofApp.json).toEqual(ofWorkspace.json);
    const list = asList(ofApp.json["integrations"]);
    expect(list).toHaveLength(holdfast.installation.catalog.all().length);
    expect(list.filter((one) => one["per_user_connection_enabled"] === false)).toEqual([
      { integration_type: "slack", builder_connection_enabled: true, per_user_connection_enabled: false },
    ]);
  });

  it("refuse what they do not know, and workspaces that are not there", async () => {
    const holdfast = await ready("slack");
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

describe("listing", () => {
  const healthChecks = ({ simulator }: TestServer) =>
    simulator.ledger().requests.filter(({ kind }) => kind === "identity" || kind === "resource").length;

  it("asks the provider about what was not heard of for an hour, once an hour", async () => {
    const holdfast = await ready("notion");
    await holdfast.connect("notion");
    const before = healthChecks(holdfast);
    await listed(holdfast);
    expect(healthChecks(holdfast)).toBe(before);
    await holdfast.clock.jump(HOUR);
    for (let time = 0; time < 3; time += 1) expect(await listed(holdfast)).toMatchObject([{ status: "active" }]);
    expect(healthChecks(holdfast)).toBe(before + 1);
    await holdfast.clock.jump(HOUR);
    await listed(holdfast);
    expect(healthChecks(holdfast)).toBe(before + 2);
  });

  it("shows as expired what the person has ended at the provider, with and without a refresh token", async () => {
    for (const [type, modes] of [
      ["notion", []],
      ["github", []],
      ["googlecalendar", []],
    ] as const) {
      const holdfast = await ready(type, modes);
      await holdfast.connect(type);
      const { client_id } = (await holdfast.installation.store.installationClient(type)) ?? { client_id: "" };
      holdfast.simulator.revokeGrants({ client_id });
      await holdfast.clock.jump(HOUR - MINUTE);
      expect(await listed(holdfast)).toMatchObject([{ status: "active" }]);
      await holdfast.clock.jump(MINUTE);
      expect(await listed(holdfast)).toMatchObject([{ status: "expired" }]);
      expect((await holdfast.token(type)).code).toBe("connection_expired");
      expect(await holdfast.events()).toContain("connection.needs_reconnect");
    }
  });

  it("fails for no provider that is down, and does not ask it again at once", async () => {
    const holdfast = await ready("notion");
    await holdfast.connect("notion");
    await holdfast.clock.jump(HOUR);
    holdfast.simulator.setModes({ modes: ["outage-503"] });
    const before = healthChecks(holdfast);
    for (let time = 0; time < 3; time += 1) expect(await listed(holdfast)).toMatchObject([{ status: "active" }]);
    expect(healthChecks(holdfast) - before).toBeLessThanOrEqual(1);
    holdfast.simulator.setModes({ modes: [] });
    expect((await holdfast.token("notion")).status).toBe(200);
  });

  it("shows no consent that is pending", async () => {
    const holdfast = await ready("slack");
    await holdfast.initiate("slack");
    expect(await listed(holdfast)).toEqual([]);
  });
});

describe("receipts of revocations", () => {
  async function disconnect(holdfast: TestServer, type: string): Promise<readonly string[]> {
    await holdfast.manage("DELETE", `${external(holdfast)}/integrations/${type}`);
    await holdfast.server.sweeper.tick();
    return audited(holdfast, "revocation.");
  }

  it("say that tokens were revoked", async () => {
    const holdfast = await ready("googlecalendar");
    await holdfast.connect("googlecalendar");
    expect(await disconnect(holdfast, "googlecalendar")).toEqual(["revocation.revoked"]);
  });

  it("say that the provider has no such call", async () => {
    const holdfast = await startTestServer();
    const without = holdfast.installation.catalog.all().find(({ id, revocation }) => revocation.kind === "none" && id);
    if (without === undefined) throw new Error("Every service revokes.");
    await holdfast.setClient(without.id);
    await holdfast.connect(without.id);
    expect(await disconnect(holdfast, without.id)).toEqual(["revocation.unsupported"]);
  });

  it("say that it would have ended another connection of the same account", async () => {
    const holdfast = await ready("googlecalendar");
    const other = await holdfast.createApp("other");
    await holdfast.connect("googlecalendar");
    await holdfast.connect("googlecalendar", { app: other });
    expect(await disconnect(holdfast, "googlecalendar")).toEqual(["revocation.kept"]);
  });

  it("and that goes for an account that was connected anew before the revocation was sent", async () => {
    const holdfast = await ready("googlecalendar");
    await holdfast.connect("googlecalendar");
    await holdfast.manage("DELETE", `${external(holdfast)}/integrations/googlecalendar`);
    await holdfast.connect("googlecalendar");
    await holdfast.server.sweeper.tick();
    expect(await audited(holdfast, "revocation.")).toEqual(["revocation.kept"]);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
  });

  it("say that it was given up when the provider stays away for a day", async () => {
    const holdfast = await ready("googlecalendar");
    await holdfast.connect("googlecalendar");
    holdfast.simulator.setModes({ modes: ["outage-503"] });
    expect(await disconnect(holdfast, "googlecalendar")).toEqual([]);
    await holdfast.clock.jump(25 * HOUR);
    await holdfast.server.sweeper.tick();
    expect(await audited(holdfast, "revocation.")).toEqual(["revocation.failed"]);
  });
});
