/** The ledger's contents, the secrets it must never contain, and the control API under /_. */
import { describe, expect, it } from "vitest";
import { startSimulator, type Wait } from "../src/index.ts";
import { application, read, record, sha256, simulation, tokens } from "./application.ts";

const post = async (url: string, body: unknown, headers: Record<string, string> = {}) =>
  read(
    await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    }),
  );

describe("the ledger", () => {
  it("counts by host and kind and lists requests in order with their outcome", async () => {
    const simulator = await simulation();
    const app = application(simulator, "slackbot", "sim-rotate");
    const { refresh, access } = await app.connect();
    await app.refresh(refresh);
    await app.identity(access);
    const ledger = simulator.ledger();
    expect(ledger.hosts).toEqual({
      "slack.com": { authorize: 1, consent: 1, code_exchange: 1, refresh: 1, identity: 1 },
    });
    expect(ledger.tokens_issued).toEqual({ slack: { access: 2, refresh: 2 } });
    expect(ledger.requests.map(({ n, kind, outcome, status }) => [n, kind, outcome, status])).toEqual([
      [1, "authorize", "ok", 200],
      [2, "consent", "ok", 303],
      [3, "code_exchange", "ok", 200],
      [4, "refresh", "ok", 200],
      [5, "identity", "ok", 200],
    ]);
    const grant_id = ledger.grants[0]?.grant_id;
    expect(ledger.requests[3]).toMatchObject({ grant_id, client_id: "sim-rotate", client_auth: "basic", in_flight: 1 });
  });

  it("prints no code, token or secret", async () => {
    const simulator = await simulation();
    const app = application(simulator, "notion", "sim-ok");
    const code = (await app.consent()).get("code") ?? "";
    const first = tokens(await app.exchange(code));
    const second = tokens(await app.refresh(first.refresh));
    const text = await (await fetch(`${simulator.url}/_ledger`)).text();
    for (const secret of [code, first.access, first.refresh, second.access, second.refresh, "secret-of-sim-ok"]) {
      expect(text).not.toContain(secret);
    }
    expect(record(record(JSON.parse(text))["refresh_tokens"])).toMatchObject({
      [sha256(first.refresh)]: { status: "used" },
      [sha256(second.refresh)]: { status: "current" },
    });
  });

  it("sees two refreshes of one token in flight at once", async () => {
    const stalled = Promise.withResolvers<void>();
    const wait: Wait = () => stalled.promise;
    const simulator = await startSimulator({ wait });
    const app = application(simulator, "googlecalendar", "sim-stall");
    const { refresh } = await app.connect();
    const both = [app.refresh(refresh), app.refresh(refresh)];
    while (simulator.ledger().max_concurrent_refreshes < 2) await new Promise((resolve) => void setImmediate(resolve));
    stalled.resolve();
    await Promise.all(both);
    await app.refresh(refresh);
    const ledger = simulator.ledger();
    expect(ledger.requests.slice(-3).map(({ in_flight }) => in_flight)).toEqual([1, 2, 1]);
    expect(ledger.refresh_tokens[sha256(refresh)]).toMatchObject({ max_in_flight: 2, status: "current" });
    await simulator.close();
  });

  it("records cookies by name and secrets in URLs by parameter", async () => {
    const simulator = await simulation();
    const { access } = await application(simulator, "slackbot", "sim-ok").connect();
    await fetch(`${simulator.url}/slack.com/api/auth.test?x=${access}`, {
      headers: { cookie: "session=abc; theme=dark" },
    });
    await fetch(`${simulator.url}/slack.com/api/auth.test?client_secret=abc`);
    const ledger = simulator.ledger();
    const path = "/api/auth.test";
    expect(ledger.cookies_seen).toEqual([{ host: "slack.com", path, names: ["session", "theme"] }]);
    expect(ledger.query_secrets_seen).toEqual([
      { host: "slack.com", path, parameter: "x" },
      { host: "slack.com", path, parameter: "client_secret" },
    ]);
  });

  it("limits the list of requests and counts what was dropped", async () => {
    const simulator = await startSimulator({ requests_max: 2 });
    for (const path of ["a", "b", "c"]) await fetch(`${simulator.url}/slack.com/${path}`);
    const { requests, requests_dropped } = simulator.ledger();
    expect(requests.map(({ path }) => path)).toEqual(["/b", "/c"]);
    expect(requests_dropped).toBe(1);
    await simulator.close();
  });
});

describe("the control API", () => {
  it("moves the clock", async () => {
    const simulator = await simulation();
    const before = simulator.now();
    expect((await post(`${simulator.url}/_clock`, { advance_ms: 1000 })).json).toEqual({ now: before + 1000 });
    expect((await post(`${simulator.url}/_clock`, { now_ms: 5 })).json).toEqual({ now: 5 });
    expect((await post(`${simulator.url}/_clock`, {})).status).toBe(400);
  });

  it("revokes as the user would, by host, client and account", async () => {
    const simulator = await simulation();
    const app = application(simulator, "googlecalendar", "sim-ok");
    const ada = await app.connect();
    const bob = await app.connect({ account: "bob" });
    const filter = { host: "oauth2.googleapis.com", client_id: "sim-ok", account: "ada" };
    expect((await post(`${simulator.url}/_revoke`, filter)).json).toEqual({ revoked: 1 });
    expect((await app.refresh(ada.refresh)).json["error"]).toBe("invalid_grant");
    expect((await app.refresh(bob.refresh)).status).toBe(200);
    expect((await post(`${simulator.url}/_revoke`, { host: "nowhere.example" })).status).toBe(400);
  });

  it("shortens lifetimes, everywhere or at one host, and restores them", async () => {
    const simulator = await simulation();
    const life = async () =>
      (await application(simulator, "googlecalendar", "sim-ok").connect()).reply.json["expires_in"];
    await post(`${simulator.url}/_lifetimes`, { access_token_s: 60 });
    expect(await life()).toBe(60);
    await post(`${simulator.url}/_lifetimes`, { access_token_s: 30, host: "oauth2.googleapis.com" });
    expect(await life()).toBe(30);
    simulator.setLifetimes({ access_token_s: null }, "oauth2.googleapis.com");
    simulator.setLifetimes({ access_token_s: null });
    expect(await life()).toBe(3599);
  });

  it("switches modes, registers clients and clears everything", async () => {
    const simulator = await simulation();
    const app = application(simulator, "notion", "mine");
    const { refresh } = await app.connect();
    expect((await post(`${simulator.url}/_mode`, { host: "api.notion.com", modes: ["500"] })).status).toBe(200);
    expect((await app.refresh(refresh)).status).toBe(500);
    expect((await post(`${simulator.url}/_mode`, { modes: ["nonsense"] })).json["message"]).toMatch(/nonsense/);
    expect((await post(`${simulator.url}/_mode`, { modes: "500" })).status).toBe(400);
    expect((await post(`${simulator.url}/_clients`, { client_id: "mine", client_secret: "x" })).status).toBe(200);
    expect((await app.refresh(refresh)).status).toBe(401);
    expect((await fetch(`${simulator.url}/_reset`, { method: "POST" })).status).toBe(200);
    expect(simulator.ledger()).toMatchObject({ hosts: {}, requests: [], grants: [], refresh_tokens: {} });
    expect((await app.connect()).reply.status).toBe(200);
  });

  it("refuses other sites, other body types and unknown endpoints", async () => {
    const simulator = await simulation();
    expect((await post(`${simulator.url}/_reset`, {}, { origin: "https://evil.example" })).status).toBe(403);
    const asText = { method: "POST", body: '{"advance_ms":1}' };
    expect((await fetch(`${simulator.url}/_clock`, asText)).status).toBe(400);
    expect((await post(`${simulator.url}/_nothing`, {})).status).toBe(404);
    expect((await fetch(`${simulator.url}/_nothing`)).status).toBe(404);
  });
});

describe("the pages", () => {
  it("list services and modes", async () => {
    const simulator = await simulation();
    const page = await (await fetch(simulator.url)).text();
    expect(page).toContain("api.notion.com");
    expect(page).toContain("drop-after");
  });

  it("request consent without scripts, with the scopes as checkboxes, and escape what they show", async () => {
    const simulator = await simulation();
    const url = application(simulator, "slackbot", "<b>app</b>").authorizeUrl();
    const response = await fetch(url);
    const page = await response.text();
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(response.headers.get("content-security-policy")).not.toContain("form-action");
    expect(page).toContain("&lt;b&gt;app&lt;/b&gt;");
    expect(page).not.toMatch(/<script|<b>app/);
    expect(page).toContain('<input type="checkbox" name="scope" value="chat:write" checked>');
    expect(page).toContain('<input type="text" name="account" value="ada"');
    expect(page).toContain('name="decision" value="deny"');
  });

  it("say which host or path is not simulated", async () => {
    const simulator = await simulation();
    const unknown = await read(await fetch(`${simulator.url}/nowhere.example/x`));
    expect([unknown.status, unknown.json["message"]]).toEqual([404, expect.stringContaining("nowhere.example")]);
    const path = await read(await fetch(`${simulator.url}/slack.com/api/nothing`));
    expect(path.json["message"]).toContain("GET /api/nothing");
    const body = new URLSearchParams({ x: "x".repeat(1024 * 1024) });
    expect((await fetch(`${simulator.url}/slack.com/api/auth.test`, { method: "POST", body })).status).toBe(413);
  });
});
