/** A consent over HTTP, from the request to a connected account. */
import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { MINUTE } from "../support/clock.ts";
import { authorizationUrlOf, fieldsOf, textOf } from "../support/browser.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { approved, linkOf, ready } from "./stage.ts";

const TYPES = ["googlecalendar", "slack", "slackbot", "github", "notion", "salesforce"] as const;

const statusOf = async (holdfast: TestServer, connection_id: unknown, integration_type = "googlecalendar") =>
  (
    await holdfast.manage(
      "GET",
      `/api/apps/${holdfast.app.app_id}/external-auth/status?integration_type=${integration_type}&connection_id=${String(connection_id)}`,
    )
  ).json["status"];

describe("starting a consent", () => {
  it("replies with six fields, none missing", async () => {
    const { holdfast } = await ready();
    const reply = await holdfast.initiate("googlecalendar");
    expect(reply.json).toEqual({
      redirect_url: `${holdfast.config.public_url}/connect/${String(reply.json["connection_id"])}`,
      connection_id: expect.stringMatching(/^flw_/),
      already_authorized: false,
      error: null,
      error_message: null,
      other_user_email: null,
    });
  });

  it("replies to a repeated PUT with the same flow", async () => {
    const { holdfast } = await ready();
    const [first, second] = [await holdfast.initiate("googlecalendar"), await holdfast.initiate("googlecalendar")];
    expect(second.json).toEqual(first.json);
  });

  it("reports the same scopes as already authorized, and requests a consent for others", async () => {
    const { holdfast } = await ready();
    const scope = "https://www.googleapis.com/auth/calendar.readonly";
    await holdfast.connect("googlecalendar", { declared: [scope] });
    const same = await holdfast.initiate("googlecalendar", { scopes: [scope] });
    const { id } = await holdfast.row("googlecalendar");
    expect(same.json).toMatchObject({ redirect_url: null, connection_id: id, already_authorized: true });
    expect((await holdfast.initiate("googlecalendar", { scopes: [] })).json["already_authorized"]).toBe(false);
  });

  it("refuses the 21st pending consent, and accepts it ten minutes later", async () => {
    const { holdfast } = await ready();
    for (let index = 1; index <= 20; index += 1)
      expect((await holdfast.initiate("googlecalendar", { scopes: [`s${index}`] })).status).toBe(200);
    const full = await holdfast.initiate("googlecalendar", { scopes: ["s21"] });
    expect([full.status, full.code, full.headers.get("retry-after")]).toEqual([429, "too_many_flows", "600"]);
    await holdfast.clock.jump(10 * MINUTE);
    expect((await holdfast.initiate("googlecalendar", { scopes: ["s21"] })).status).toBe(200);
  });

  it("says where to register when no OAuth client is set", async () => {
    const holdfast = await startTestServer();
    const reply = await holdfast.initiate("slack");
    expect([reply.status, reply.code]).toEqual([409, "oauth_client_missing"]);
    expect(reply.json["message"]).toContain("holdfast clients set slack --client-id");
  });

  it.for([
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "\t//evil.example",
    "/%09/evil.example",
    "javascript:alert(1)",
    "",
    "apps",
    "/a//b\n",
    "/?x=https://evil.example",
    "/.//evil.example/../..//x\u0000",
  ])("refuses to return to %j", async (return_to) => {
    const { holdfast } = await ready();
    const reply = await holdfast.initiate("googlecalendar", { scopes: [], return_to });
    expect([reply.status, reply.code]).toEqual([400, "invalid_return_to"]);
  });

  it("returns to a path of this server after the consent", async () => {
    const { holdfast, person } = await ready();
    const result = await person.consent(await linkOf(holdfast, "googlecalendar", { scopes: [], return_to: "/apps" }));
    expect(result.text).toContain('<a href="/apps">Continue</a>');
  });

  it("refuses scopes that could inject a parameter", async () => {
    const { holdfast } = await ready();
    for (const scope of ["a b", 'a"b', "a\\b", "a\u00e9", "a\nb"]) {
      const reply = await holdfast.initiate("googlecalendar", { scopes: [scope] });
      expect([reply.status, reply.code]).toEqual([400, "invalid_scope"]);
    }
  });

  it("starts nothing by GET: programs can open the link and the reconnect page", async () => {
    const { holdfast, person } = await ready();
    const link = await linkOf(holdfast);
    const page = `/apps/${holdfast.app.app_id}/connect/googlecalendar`;
    const before = await flows(holdfast);
    for (const address of [link, page, link, page]) expect((await person.get(address)).status).toBe(200);
    expect(await flows(holdfast)).toEqual(before);
    expect(person.cookies.has("holdfast-flow")).toBe(false);
  });

  it("asks visitors who are not signed in to sign in", async () => {
    const { holdfast } = await ready();
    const stranger = holdfast.browser();
    for (const address of [await linkOf(holdfast), `/apps/${holdfast.app.app_id}/connect/googlecalendar`, "/"]) {
      const page = await stranger.get(address);
      expect(page.status).toBe(401);
      expect(textOf(page.text)).toContain("holdfast setup-link");
    }
    expect((await stranger.post(await linkOf(holdfast), {})).status).toBe(401);
  });
});

describe("a whole consent", () => {
  it.for(TYPES)("connects %s, from the confirm page to a token that its API accepts", async (type) => {
    const { holdfast, person } = await ready(type);
    const link = await linkOf(holdfast, type);
    const confirm = textOf((await person.get(link)).text);
    expect(confirm).toContain("The app test needs an account");
    expect(confirm).toContain(`${holdfast.config.public_url}/api/external-auth/callback/`);
    const result = await person.consent(link, { account: "bob" });
    expect(textOf(result.text)).toContain("is connected");
    const ledger = holdfast.simulator.ledger();
    const hash = createHash("sha256")
      .update(await holdfast.accessToken(type))
      .digest("hex");
    expect(ledger.access_tokens[hash]).toMatchObject({ status: "current" });
    expect(ledger.cookies_seen).toEqual([]);
    expect(ledger.query_secrets_seen).toEqual([]);
    expect((await holdfast.row(type)).status).toBe("active");
  });

  it.for([
    ["googlecalendar", true],
    ["github", true],
    ["salesforce", true],
    ["slack", false],
    ["notion", false],
  ] as const)("sends an S256 challenge of 43 characters to %s: %s", async ([type, pkce]) => {
    const { holdfast, person } = await ready(type);
    const url = new URL(await person.start(await linkOf(holdfast, type)));
    expect(url.searchParams.get("code_challenge_method")).toBe(pkce ? "S256" : null);
    expect(url.searchParams.get("code_challenge")?.length ?? null).toBe(pkce ? 43 : null);
    expect(url.searchParams.get("state")).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it("is PENDING until it is complete, then ACTIVE", async () => {
    const { holdfast, person } = await ready();
    const { connection_id, redirect_url } = (await holdfast.initiate("googlecalendar")).json;
    expect(await statusOf(holdfast, connection_id)).toBe("PENDING");
    const authorize_url = await person.start(String(redirect_url));
    expect(await statusOf(holdfast, connection_id)).toBe("PENDING");
    await person.finish(await approveConsent(authorize_url));
    expect(await statusOf(holdfast, connection_id)).toBe("ACTIVE");
    expect(await statusOf(holdfast, (await holdfast.row("googlecalendar")).id)).toBe("ACTIVE");
  });

  it("is FAILED when denied or expired, and an unknown one is 404", async () => {
    const { holdfast, person } = await ready();
    const denied = (await holdfast.initiate("googlecalendar")).json;
    await person.consent(String(denied["redirect_url"]), { decision: "deny" });
    expect(await statusOf(holdfast, denied["connection_id"])).toBe("FAILED");
    const late = (await holdfast.initiate("googlecalendar")).json;
    await holdfast.clock.jump(10 * MINUTE);
    expect(await statusOf(holdfast, late["connection_id"])).toBe("FAILED");
    expect(await statusOf(holdfast, "flw_00000000000000000000")).toBeUndefined();
    expect(await statusOf(holdfast, late["connection_id"], "slack")).toBeUndefined();
  });

  it("records the granted scopes, and reports the missing ones", async () => {
    const { holdfast } = await ready("github", ["partial-scopes"]);
    await holdfast.connect("github", { declared: ["repo", "gist"] });
    const list = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`);
    expect(list.json["integrations"]).toMatchObject([
      { integration_type: "github", status: "active", scopes: ["repo", "gist"], missing_scopes: ["gist"] },
    ]);
  });

  it("reaches a provider that redirects to another host first", async () => {
    const { holdfast } = await ready("github", ["hop"]);
    await holdfast.connect("github");
    expect((await holdfast.token("github")).status).toBe(200);
  });

  it("connects again by the reconnect page, in place of the current connection", async () => {
    const { holdfast } = await ready();
    await holdfast.connect("googlecalendar", { account: "ada" });
    const before = await holdfast.row("googlecalendar");
    await holdfast.connect("googlecalendar", { account: "bob" });
    const after = await holdfast.row("googlecalendar");
    expect([after.id, after.generation]).toEqual([before.id, 2]);
    expect(after.account_id).not.toBe(before.account_id);
  });
});

describe("the addresses that the server sends out", () => {
  it("come from the configuration, not from Host and forwarding headers", async () => {
    const { holdfast, person } = await ready();
    const link = await linkOf(holdfast);
    const authorize_url = await person.start(link);
    const redirect_uri = new URL(authorize_url).searchParams.get("redirect_uri");
    expect(redirect_uri).toBe(`${holdfast.config.public_url}/api/external-auth/callback/google`);
    const evil = {
      host: "evil.example",
      "x-forwarded-host": "evil.example",
      "x-forwarded-proto": "https",
      forwarded: "host=evil.example",
      "x-original-url": "//evil.example",
    };
    const cookie = [...person.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const go = await rawGet(holdfast.url, `${new URL(link).pathname}/go`, { ...evil, cookie, accept: "text/html" });
    expect(authorizationUrlOf(go)).toBe(authorize_url);
    const put = await holdfast.initiate("googlecalendar", { scopes: ["x"] });
    expect(new URL(String(put.json["redirect_url"])).origin).toBe(holdfast.config.public_url);
  });

  it("keep one cookie for the flow across consents in two tabs", async () => {
    const { holdfast, person } = await ready();
    const first = await approved(holdfast, person, "googlecalendar", { scopes: ["a"] });
    const cookie = person.cookies.get("holdfast-flow");
    const second = await approved(holdfast, person, "googlecalendar", { scopes: ["b"] });
    expect(person.cookies.get("holdfast-flow")).toBe(cookie);
    for (const callback of [first, second])
      expect(textOf((await person.finish(callback)).text)).toContain("is connected");
  });
});

describe("settings that a service asks for", () => {
  it("prefills Salesforce's login host, and accepts the org's own", async () => {
    const { holdfast, person } = await ready("salesforce");
    const link = await linkOf(holdfast, "salesforce");
    expect(fieldsOf((await person.get(link)).text)["config.hostname"]).toBe("login.salesforce.com");
    const result = await person.consent(link, {}, { "config.hostname": "acme.my.salesforce.com" });
    expect(textOf(result.text)).toContain("is connected");
    expect((await holdfast.token("salesforce")).json["connection_config"]).toMatchObject({
      hostname: "acme.my.salesforce.com",
      instance_url: expect.stringMatching(/^https:\/\/[a-z0-9.-]+\.my\.salesforce\.com$/),
    });
  });

  it.for([
    "evil.example",
    "evil.example/login.salesforce.com",
    "login.salesforce.com@evil.example",
    "acme.lightning.force.com",
    "login.salesforce.com:444",
    "login.salesforce.com/",
    "LOGIN.salesforce.com",
    "\u217cogin.salesforce.com",
  ])("refuses %j as a login host, by PUT and by form", async (hostname) => {
    const { holdfast, person } = await ready("salesforce");
    const put = await holdfast.initiate("salesforce", { scopes: [], connection_config: { hostname } });
    expect([put.status, put.code]).toEqual([400, "invalid_connection_config"]);
    expect(put.extra["errors"]).toMatchObject([{ name: "hostname" }]);
    const link = await linkOf(holdfast, "salesforce");
    const form = { ...fieldsOf((await person.get(link)).text), "config.hostname": hostname };
    const posted = await person.post(link, form);
    expect(posted.status).toBe(400);
    expect(posted.headers.get("location")).toBeNull();
  });

  it("keeps the settings of a connection when it is connected again", async () => {
    const { holdfast } = await ready("salesforce");
    await holdfast.connect("salesforce", { config: { hostname: "acme.my.salesforce.com" } });
    await holdfast.connect("salesforce");
    expect((await holdfast.row("salesforce")).config).toMatchObject({ hostname: "acme.my.salesforce.com" });
    const same = await holdfast.initiate("salesforce", { scopes: [] });
    expect(same.json["already_authorized"]).toBe(true);
  });
});

async function flows(holdfast: TestServer): Promise<unknown> {
  return holdfast.installation.store.transaction(async (tx) => {
    return await tx.db.selectFrom("flows").select(["id", "state_hash", "expires_at"]).execute();
  });
}

/** Sends a GET with any headers. fetch does not allow a false Host. */
function rawGet(origin: string, path: string, headers: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${origin}${path}`, { headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
    });
    sent.on("error", reject).end();
  });
}
