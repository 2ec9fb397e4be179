/**
 * The whole flow at every vendor: consent, exchange, API, refresh, revocation, and each vendor's
 * quirks.
 */
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { approveConsent, clientSecretOf, type Simulator } from "../src/index.ts";
import {
  application,
  read,
  record,
  REDIRECT_URI,
  serviceIds,
  services,
  simulation,
  tokens,
  type Reply,
  type ServiceId,
  VERIFIER,
} from "./application.ts";

const call = async (simulator: Simulator, path: string, token: string, init: RequestInit = {}): Promise<Reply> => {
  const headers = { authorization: `Bearer ${token}`, ...record(init.headers) };
  return read(await fetch(`${simulator.url}/${path}`, { ...init, headers: new Headers(stringsOf(headers)) }));
};

const stringsOf = (value: object): Record<string, string> =>
  Object.fromEntries(Object.entries(value).map(([name, member]) => [name, String(member)]));

/** Revokes in each vendor's way. */
const revocations: Record<ServiceId, (simulator: Simulator, client_id: string, token: string) => Promise<Reply>> = {
  googlecalendar: (simulator, _, token) =>
    call(simulator, "oauth2.googleapis.com/revoke", "", { method: "POST", body: new URLSearchParams({ token }) }),
  slack: (simulator, _, token) => call(simulator, "slack.com/api/auth.revoke", token, { method: "POST" }),
  slackbot: (simulator, _, token) => call(simulator, "slack.com/api/auth.revoke", token, { method: "POST" }),
  github: (simulator, client_id, access_token) =>
    call(simulator, `api.github.com/applications/${client_id}/token`, "", {
      method: "DELETE",
      headers: { ...basicAuth(client_id), "content-type": "application/json" },
      body: JSON.stringify({ access_token }),
    }),
  notion: (simulator, client_id, token) =>
    call(simulator, "api.notion.com/v1/oauth/revoke", "", {
      method: "POST",
      headers: { ...basicAuth(client_id), "content-type": "application/json" },
      body: JSON.stringify({ token }),
    }),
  salesforce: (simulator, _, token) =>
    call(simulator, "login.salesforce.com/services/oauth2/revoke", "", {
      method: "POST",
      body: new URLSearchParams({ token }),
    }),
};

const basicAuth = (client_id: string) => ({
  authorization: `Basic ${Buffer.from(`${client_id}:${clientSecretOf(client_id)}`).toString("base64")}`,
});

/** The reply to a dead token. */
const dead: Record<ServiceId, readonly [number, string]> = {
  googlecalendar: [401, '"error":"invalid_request"'],
  slack: [200, '"error":"token_revoked"'],
  slackbot: [200, '"error":"token_revoked"'],
  github: [401, '"message":"Bad credentials"'],
  notion: [401, '"code":"unauthorized"'],
  salesforce: [403, "Bad_OAuth_Token"],
};

describe.each(serviceIds)("%s", (id) => {
  it("issues tokens for a consent, accepts them, refreshes them and revokes them", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-rotate");
    const callback = await app.consent();
    expect(callback.get("state")).toBe("state-1");
    const first = await app.exchange(callback.get("code") ?? "");
    expect(first.status).toBe(200);
    const before = await app.identity(tokens(first).access);
    expect(before.text).toMatch(/ada|holdfast/);

    const second = await app.refresh(tokens(first).refresh);
    expect(tokens(second).access).not.toBe(tokens(first).access);
    expect(await app.identity(tokens(second).access)).toMatchObject({ status: 200, text: before.text });

    const revoked = await revocations[id](simulator, app.client_id, tokens(second).access);
    expect(revoked.status).toBeLessThan(300);
    const [status, text] = dead[id];
    const after = await app.identity(tokens(second).access);
    expect(after.status).toBe(status);
    expect(after.text).toContain(text);
  });

  it("returns a denied consent to the application with its state", async () => {
    const simulator = await simulation();
    const callback = await application(simulator, id, "sim-ok").consent({ decision: "deny" });
    expect(callback.get("error")).toBe("access_denied");
    expect(callback.get("state")).toBe("state-1");
    expect(callback.has("code")).toBe(false);
  });

  it("refuses a dead, another vendor's and a missing access token in the vendor's way", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-ok");
    const [status] = dead[id];
    expect((await app.identity("no-such-token")).status).toBe(status);
    const other = await application(simulator, id === "notion" ? "github" : "notion", "sim-ok").connect();
    expect((await app.identity(other.access)).status).toBe(status);
    const { method, url, ...rest } = services[id].identity;
    const headers = "headers" in rest ? rest.headers : {};
    const missing = await read(await fetch(`${simulator.url}/${url}`, { method, headers }));
    expect(missing.text).toMatch(/invalid_request|not_authed|Requires authentication|unauthorized|Missing_OAuth_Token/);
  });

  it("gives two users two identities", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-ok");
    const ada = await app.connect();
    const bob = await app.connect({ account: "bob@globex" });
    expect((await app.identity(ada.access)).text).not.toBe((await app.identity(bob.access)).text);
  });
});

describe("Google", () => {
  it("issues a refresh token only for offline access, and again only with prompt=consent", async () => {
    const simulator = await simulation();
    const app = application(simulator, "googlecalendar", "sim-ok");
    const connect = async (params: Record<string, string>) =>
      (await app.exchange((await app.consent({}, params)).get("code") ?? "")).json;
    expect(await connect({ access_type: "online" })).not.toHaveProperty("refresh_token");
    expect(await connect({ prompt: "select_account" })).not.toHaveProperty("refresh_token");
    expect(await connect({})).toHaveProperty("refresh_token");
  });

  it("keeps its refresh token: the refresh reply has none and the old one still works", async () => {
    const simulator = await simulation();
    const app = application(simulator, "googlecalendar", "sim-ok");
    const { refresh, reply } = await app.connect();
    expect(reply.json).toMatchObject({ expires_in: 3599, token_type: "Bearer" });
    expect((await app.refresh(refresh)).json).not.toHaveProperty("refresh_token");
    expect((await app.refresh(refresh)).status).toBe(200);
  });

  it("names issuer and granted scopes in the callback and signs an id_token for openid", async () => {
    const simulator = await simulation();
    const app = application(simulator, "googlecalendar", "sim-ok");
    const callback = await app.consent({ scopes: ["openid"] });
    expect(callback.get("iss")).toBe("https://accounts.google.com");
    expect(callback.get("scope")).toBe("openid");
    const { json } = await app.exchange(callback.get("code") ?? "");
    const [, claims = ""] = String(json["id_token"]).split(".");
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({
      iss: "https://accounts.google.com",
      aud: "sim-ok",
      email: "ada@example.com",
    });
  });

  it("stores calendar events and refuses a token without the scope", async () => {
    const simulator = await simulation();
    const app = application(simulator, "googlecalendar", "sim-ok");
    const path = "www.googleapis.com/calendar/v3/calendars/primary/events";
    const { access } = await app.connect();
    const event = { summary: "Tea", start: { date: "2026-11-24" }, end: { date: "2026-11-25" } };
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(event) };
    expect((await call(simulator, path, access, init)).json).toMatchObject(event);
    expect((await call(simulator, path, access)).json["items"]).toMatchObject([event]);
    expect((await call(simulator, "www.googleapis.com/calendar/v3/users/me/calendarList", access)).status).toBe(200);
    const narrow = await app.connect({ scopes: ["openid"] });
    expect(record((await call(simulator, path, narrow.access)).json["error"])).toMatchObject({
      code: 403,
      status: "PERMISSION_DENIED",
    });
    expect(record((await call(simulator, path, "none")).json["error"])).toMatchObject({ status: "UNAUTHENTICATED" });
  });

  it("ends every grant of the user and client with one revocation", async () => {
    const simulator = await simulation();
    const app = application(simulator, "googlecalendar", "sim-ok");
    const first = await app.connect();
    const second = await app.connect();
    const other = await app.connect({ account: "bob" });
    await revocations.googlecalendar(simulator, "", first.refresh);
    expect((await app.refresh(second.refresh)).json).toMatchObject({ error: "invalid_grant" });
    expect((await app.refresh(other.refresh)).status).toBe(200);
  });
});

describe("Slack", () => {
  it("issues neither expiry nor refresh token without rotation", async () => {
    const simulator = await simulation();
    const { reply } = await application(simulator, "slackbot", "sim-ok").connect();
    expect(reply.json).toMatchObject({ ok: true, token_type: "bot", team: { id: "T0SIMTEAM1" } });
    expect(reply.json).not.toHaveProperty("expires_in");
    expect(reply.json).not.toHaveProperty("refresh_token");
  });

  it("puts the user's token under authed_user after the exchange and at top level after a refresh", async () => {
    const simulator = await simulation();
    const app = application(simulator, "slack", "sim-rotate");
    const { reply, refresh } = await app.connect();
    expect(reply.json).not.toHaveProperty("access_token");
    expect(reply.json["authed_user"]).toMatchObject({ token_type: "user", expires_in: 43_200 });
    expect((await app.refresh(refresh)).json).toMatchObject({ token_type: "user", expires_in: 43_200 });
  });

  it("issues two token families when bot and user scopes are requested together", async () => {
    const simulator = await simulation();
    const app = application(simulator, "slackbot", "sim-rotate");
    const callback = await app.consent({}, { user_scope: "users:read" });
    const { json } = await app.exchange(callback.get("code") ?? "");
    expect(json).toMatchObject({ scope: "channels:read,chat:write", authed_user: { scope: "users:read" } });
    expect(simulator.ledger().grants).toHaveLength(2);
  });

  it("posts by form and by JSON, and names the missing scope", async () => {
    const simulator = await simulation();
    const app = application(simulator, "slackbot", "sim-ok");
    const { access } = await app.connect();
    const path = "slack.com/api/chat.postMessage";
    const message = { channel: "#general", text: "hello" };
    const asJson = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(message) };
    const asForm = { method: "POST", body: new URLSearchParams(message) };
    expect((await call(simulator, path, access, asJson)).json).toMatchObject({ ok: true, channel: "C0SIMGENER" });
    expect((await call(simulator, path, access, asForm)).json).toMatchObject({ ok: true });
    expect((await call(simulator, "slack.com/api/conversations.list", access)).json).toMatchObject({ ok: true });
    const narrow = await app.connect({ scopes: ["channels:read"] });
    expect((await call(simulator, path, narrow.access, asForm)).json).toEqual({
      ok: false,
      error: "missing_scope",
      needed: "chat:write",
      provided: "channels:read",
    });
  });
});

describe("GitHub", () => {
  it("issues an OAuth App a token that never expires, with scopes as a comma-separated list", async () => {
    const simulator = await simulation();
    const { reply } = await application(simulator, "github", "sim-ok").connect();
    expect(Object.keys(reply.json).toSorted()).toEqual(["access_token", "scope", "token_type"]);
    expect(reply.json["scope"]).toBe("repo,user:email");
  });

  it("issues a GitHub App tokens for eight hours, and a refresh ends the old access token", async () => {
    const simulator = await simulation();
    const app = application(simulator, "github", "sim-rotate");
    const { reply, access, refresh } = await app.connect();
    expect(reply.json).toMatchObject({ expires_in: 28_800, refresh_token_expires_in: 15_811_200, scope: "" });
    const renewed = await app.refresh(refresh);
    expect((await app.identity(access)).status).toBe(401);
    expect((await app.identity(tokens(renewed).access)).status).toBe(200);
  });

  it("replies form-encoded unless JSON is accepted, errors too, and with HTTP 200", async () => {
    const simulator = await simulation();
    const app = application(simulator, "github", "sim-ok");
    const code = (await app.consent()).get("code") ?? "";
    const client = { client_id: app.client_id, client_secret: clientSecretOf(app.client_id) };
    const body = new URLSearchParams({ ...client, code, code_verifier: VERIFIER });
    const post = async () => read(await fetch(`${simulator.url}/${services.github.token}`, { method: "POST", body }));
    const first = await post();
    expect(first.headers.get("content-type")).toContain("application/x-www-form-urlencoded");
    expect(new URLSearchParams(first.text).get("scope")).toBe("repo,user:email");
    const again = await post();
    expect(again.status).toBe(200);
    expect(new URLSearchParams(again.text).get("error")).toBe("bad_verification_code");
  });

  it("refuses an API request without User-Agent", async () => {
    const simulator = await simulation();
    const { access } = await application(simulator, "github", "sim-ok").connect();
    const status = await new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${access}` };
      request(`${simulator.url}/api.github.com/user`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(status).toBe(403);
  });
});

describe("Notion", () => {
  it("announces no expiry, replaces both tokens and names workspace and owner", async () => {
    const simulator = await simulation();
    const app = application(simulator, "notion", "sim-ok");
    const { reply, access, refresh } = await app.connect();
    expect(reply.json).not.toHaveProperty("expires_in");
    expect(reply.json).toMatchObject({
      workspace_name: "Acme",
      owner: { user: { person: { email: "ada@example.com" } } },
    });
    const renewed = await app.refresh(refresh);
    expect(tokens(renewed).refresh).not.toBe(refresh);
    expect((await app.identity(access)).status).toBe(401);
  });

  it("requires the Notion-Version header at its API", async () => {
    const simulator = await simulation();
    const { access } = await application(simulator, "notion", "sim-ok").connect();
    expect((await call(simulator, "api.notion.com/v1/users/me", access)).json).toMatchObject({
      code: "missing_version",
    });
  });
});

describe("Salesforce", () => {
  it("requires PKCE", async () => {
    const simulator = await simulation();
    const url = new URL(application(simulator, "salesforce", "sim-ok").authorizeUrl());
    url.searchParams.delete("code_challenge");
    const callback = new URL(await approveConsent(url.href)).searchParams;
    expect(callback.get("error_description")).toBe("missing required code challenge");
  });

  it("announces no expiry, names its instance, and still ends the session after two hours", async () => {
    const simulator = await simulation();
    const app = application(simulator, "salesforce", "sim-ok");
    const { reply, access, refresh } = await app.connect();
    expect(reply.json).not.toHaveProperty("expires_in");
    expect(reply.json).toMatchObject({
      instance_url: "https://acme.my.salesforce.com",
      id: expect.stringMatching(/^https:\/\/login\.salesforce\.com\/id\/00D\w{12,15}\/005\w{12,15}$/),
      issued_at: String(simulator.now()),
    });
    const path = "acme.my.salesforce.com/services/data/v64.0/query?q=SELECT+Id+FROM+Account";
    expect((await call(simulator, path, access)).json).toMatchObject({ totalSize: 1, done: true });
    simulator.advance(7_200_000);
    const late = await call(simulator, path, access);
    expect([late.status, late.text]).toEqual([401, expect.stringContaining('"errorCode":"INVALID_SESSION_ID"')]);
    const renewed = await app.refresh(refresh);
    expect(renewed.json).not.toHaveProperty("refresh_token");
    expect((await call(simulator, path, tokens(renewed).access)).status).toBe(200);
  });

  it("accepts a token only at its own instance", async () => {
    const simulator = await simulation();
    const { access } = await application(simulator, "salesforce", "sim-ok").connect();
    const path = "globex.my.salesforce.com/services/data/v64.0/sobjects";
    expect((await call(simulator, path, access)).status).toBe(401);
  });

  it("issues a refresh token only with its scope, and revoking it ends the whole grant", async () => {
    const simulator = await simulation();
    const app = application(simulator, "salesforce", "sim-ok");
    expect((await app.connect({ scopes: ["api", "id"] })).reply.json).not.toHaveProperty("refresh_token");
    const { access, refresh } = await app.connect();
    expect((await revocations.salesforce(simulator, "", refresh)).status).toBe(200);
    expect((await app.identity(access)).text).toBe("Bad_OAuth_Token");
  });
});

describe("the redirect URI", () => {
  it.each(["https://app.example/callback", REDIRECT_URI])("can be %s", async (redirect_uri) => {
    const simulator = await simulation();
    const url = application(simulator, "notion", "sim-ok").authorizeUrl({ redirect_uri });
    expect(await approveConsent(url)).toContain(redirect_uri);
  });

  it.each(["", "ftp://app.example/", "http://app.example/callback", "https://app.example/#x"])(
    "cannot be '%s', and the error stays on the page",
    async (redirect_uri) => {
      const simulator = await simulation();
      const url = application(simulator, "notion", "sim-ok").authorizeUrl({ redirect_uri });
      await expect(approveConsent(url)).rejects.toThrow(/redirect_uri/);
    },
  );
});
