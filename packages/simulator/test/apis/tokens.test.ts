/** What holds for every API call of every vendor: tokens, scopes, limits, and the state. */
import { describe, expect, it } from "vitest";
import { profiles } from "../../src/index.ts";
import { read, simulation, type Reply } from "../application.ts";
import { appAt } from "../vendors/service-app.ts";
import { apiCalls, HEADERS } from "./calls.ts";
import { apiAt, differences, recordingsOf, send, textAt } from "./api.ts";

/** The others' tokens expire only in special modes. */
const EXPIRING = new Set("airtable dropbox google hubspot linear microsoft salesforce".split(" "));

describe("every API call", () => {
  it("is tried below: ten vendors with eight calls or more each, or one for GraphQL", () => {
    const vendors = Map.groupBy(apiCalls, ({ vendor }) => vendor);
    expect(vendors.size).toBe(10);
    const few = Array.from(vendors, ([vendor, calls]) => ({ vendor, count: calls.length })).filter(
      ({ count }) => count < 8,
    );
    expect(few).toEqual([{ vendor: "linear", count: 1 }]);
  });

  it("is at a host that the vendor's profile names", () => {
    const hosts = new Set(profiles.flatMap((profile) => profile.hosts.map(String)));
    expect(apiCalls.flatMap(({ route }) => route.hosts.map(String)).filter((host) => !hosts.has(host))).toEqual([]);
  });

  it.each(apiCalls)("refuses an unknown and a revoked token: $name", async ({ call, service }) => {
    const simulator = await simulation();
    const app = appAt(simulator, service);
    const held = await app.connect({ account: "bob" });
    const ask = (token: string) => send(simulator, token, call, { headers: HEADERS });
    const unknown = await ask("no-such-token");
    expect(simulator.ledger().requests.at(-1)?.outcome).toBe("token_invalid");
    expect(unknown.status === 401 || unknown.json["ok"] === false).toBe(true);
    simulator.revokeGrants({ account: "bob" });
    const revoked = await ask(held.access);
    expect(simulator.ledger().requests.at(-1)?.outcome).toBe("token_revoked");
    expect(revoked.status).toBe(unknown.status);
    expect(simulator.state().objects).toEqual([]);
  });
});

describe("every API call of a vendor whose tokens expire", () => {
  it.each(apiCalls.filter(({ vendor }) => EXPIRING.has(vendor)))(
    "refuses an expired token: $name",
    async (api_call) => {
      const simulator = await simulation();
      const { access } = await appAt(simulator, api_call.service, ["life-60s"]).connect();
      simulator.advance(60_000);
      const reply = await send(simulator, access, api_call.call, { headers: HEADERS });
      expect([reply.status, simulator.ledger().requests.at(-1)?.outcome]).toEqual([401, "token_expired"]);
    },
  );
});

const scoped = apiCalls.filter(({ route }) => route.scopes !== undefined);

describe("every API call with scopes", () => {
  it.each(scoped)("refuses a token without any of them: $name", async ({ call, service, scopes }) => {
    const simulator = await simulation();
    const others = Object.fromEntries(Object.keys(scopes).map((name) => [name, "other.scope"]));
    const { access } = await appAt(simulator, service).connect({}, others);
    await send(simulator, access, call, { headers: HEADERS });
    expect(simulator.ledger().requests.at(-1)?.outcome).toBe("token_scope");
  });
});

const post = { json: { channel: "general", text: "Hello" } };

describe("the state", () => {
  it("has each call with its status, and neither consent nor token requests", async () => {
    const simulator = await simulation();
    const api = await apiAt(simulator, "slackbot", "slack", { scope: "chat:write" });
    await api.call("POST slack.com/api/chat.postMessage", post);
    await api.call("GET slack.com/api/no.such.method");
    await fetch(`${simulator.url}/unknown.host/x`);
    expect(simulator.state().calls).toEqual([
      { vendor: "slack", method: "POST", host: "slack.com", path: "/api/chat.postMessage", status: 200 },
      { vendor: "slack", method: "GET", host: "slack.com", path: "/api/no.such.method", status: 404 },
      { vendor: null, method: "GET", host: "unknown.host", path: "/x", status: 404 },
    ]);
    expect(simulator.state("google")).toEqual({ calls: [], objects: [] });
  });

  it("is the same over HTTP, holds no token, and can be cleared without ending a grant", async () => {
    const simulator = await simulation();
    const api = await apiAt(simulator, "slackbot", "slack", { scope: "chat:write" });
    await api.call("POST slack.com/api/chat.postMessage", post);
    const served = await read(await fetch(`${simulator.url}/_state?vendor=slack`));
    expect(served.json).toEqual(simulator.state("slack"));
    expect(served.text).not.toContain(api.token);
    expect((await fetch(`${simulator.url}/_state`, { method: "DELETE" })).status).toBe(200);
    expect(simulator.state()).toEqual({ calls: [], objects: [] });
    const again = await api.call("POST slack.com/api/chat.postMessage", post);
    expect(again.json["ok"]).toBe(true);
    expect(simulator.ledger().requests.length).toBeGreaterThan(2);
    simulator.reset();
    expect(simulator.state()).toEqual({ calls: [], objects: [] });
  });

  it("is the same after the same calls, at another time and with other tokens", async () => {
    const states = await Promise.all(
      [0, 86_400_000].map(async (later_ms) => {
        const simulator = await simulation();
        simulator.advance(later_ms);
        const api = await apiAt(simulator, "googledrive", "google");
        await api.call("POST www.googleapis.com/drive/v3/files", { json: { name: "a" } });
        const notes = await api.call("GET www.googleapis.com/drive/v3/files?q=name='notes.txt'");
        await api.call(`DELETE www.googleapis.com/drive/v3/files/${textAt(notes, "files.0.id")}`);
        return simulator.state();
      }),
    );
    expect(states[0]).toEqual(states[1]);
    expect(states[0]?.objects).toMatchObject([{ change: "created" }, { change: "deleted" }]);
  });

  it("refuses the 1,001st object of an account with HTTP 507, and keeps the others", async () => {
    const simulator = await simulation();
    const api = await apiAt(simulator, "slackbot", "slack", { scope: "chat:write" });
    for (let n = 1; n <= 1000; n += 1) await api.call("POST slack.com/api/chat.postMessage", post);
    const refused = await api.call("POST slack.com/api/chat.postMessage", post);
    expect([refused.status, refused.json["error"]]).toEqual([507, "simulator_full"]);
    expect(simulator.state().objects).toHaveLength(1000);
  });

  it("refuses uploads beyond 128 MiB in one run", async () => {
    const simulator = await simulation();
    const api = await apiAt(simulator, "googledrive", "google");
    const upload = { raw: new Uint8Array(10 * 1024 * 1024), headers: { "content-type": "image/png" } };
    const statuses: number[] = [];
    for (let n = 1; n <= 13; n += 1) {
      statuses.push((await api.call("POST www.googleapis.com/upload/drive/v3/files?uploadType=media", upload)).status);
    }
    expect(statuses).toEqual([...Array.from({ length: 12 }, () => 200), 507]);
  });
});

describe("a recording", () => {
  it("names its source and the day it was read", () => {
    for (const { source, read: day } of Object.values(recordingsOf("slack"))) {
      expect(source).toMatch(/^https:\/\/[a-z]/);
      expect(day).toMatch(/^20\d\d-\d\d-\d\d$/);
    }
  });

  it("differs from a reply with one member more, one less, or of another type", async () => {
    const simulator = await simulation();
    const api = await apiAt(simulator, "gmail", "google", { scope: "https://www.googleapis.com/auth/gmail.readonly" });
    const reply = await api.call("GET gmail.googleapis.com/gmail/v1/users/me/labels");
    const changed = (change: (body: Record<string, unknown>) => unknown): Reply => ({
      ...reply,
      text: JSON.stringify(change({ ...reply.json })),
    });
    expect(differences("gmail", "labels.list", reply)).toEqual([]);
    for (const wrong of [
      changed((body) => ({ ...body, more: 1 })),
      changed(() => ({})),
      changed(() => ({ labels: "none" })),
      { ...reply, status: 201 },
    ]) {
      expect(differences("gmail", "labels.list", wrong)).not.toEqual([]);
    }
  });
});
