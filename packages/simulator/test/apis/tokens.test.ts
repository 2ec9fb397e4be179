/** What holds for every API call of every vendor: tokens, scopes, limits, and the state. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { profiles } from "../../src/index.ts";
import { read, record, simulation, type Reply } from "../application.ts";
import { appAt } from "../vendors/service-app.ts";
import { aliasCalls, apiCalls, HEADERS, mainCalls, type ApiCall } from "./calls.ts";
import { apiAt, differences, outline, recordingsOf, send, textAt } from "./api.ts";

/** The others' tokens expire only in special modes. */
const EXPIRING = new Set("airtable dropbox google hubspot linear microsoft salesforce".split(" "));

const bodyOf = ({ text }: Reply): unknown => (text === "" ? null : JSON.parse(text));

/** Returns the vendor's refusal of an unknown token, from the fixture of its service. */
function refusalOf(service: string): { readonly status: unknown; readonly members: readonly string[] } {
  const file = new URL(`../../fixtures/${service}/error-token.json`, import.meta.url);
  const { status, body } = record(JSON.parse(readFileSync(file, "utf8")));
  return { status, members: outline(body) };
}

interface Refusal {
  readonly outcome: string;
  readonly status: unknown;
  /** Of an unknown token: the members of the body. */
  readonly members?: readonly string[];
}

/** Returns how a call is refused with three kinds of dead tokens. */
async function refusals({ call, service, vendor }: ApiCall): Promise<readonly Refusal[]> {
  const simulator = await simulation();
  const held = await appAt(simulator, service).connect({ account: "bob" });
  const ask = async (token: string) => {
    const reply = await send(simulator, token, call, { headers: HEADERS });
    const outcome = simulator.ledger().requests.at(-1)?.outcome ?? "";
    return { reply, refusal: { outcome, status: reply.status } };
  };
  const unknown = await ask("no-such-token");
  simulator.revokeGrants({ account: "bob" });
  const revoked = await ask(held.access);
  const found = [{ ...unknown.refusal, members: outline(bodyOf(unknown.reply)) }, revoked.refusal];
  if (!EXPIRING.has(vendor)) return found;
  const late = await appAt(simulator, service, ["life-60s"]).connect({ account: "carol" });
  simulator.advance(60_000);
  return [...found, (await ask(late.access)).refusal];
}

function expectedRefusals({ service, vendor }: ApiCall): readonly Refusal[] {
  const { status, members } = refusalOf(service);
  const dead = [
    { outcome: "token_invalid", status, members },
    { outcome: "token_revoked", status },
  ];
  return EXPIRING.has(vendor) ? [...dead, { outcome: "token_expired", status }] : dead;
}

async function outcomeWithoutScope({ call, service, scopes }: ApiCall): Promise<string | undefined> {
  const simulator = await simulation();
  const others = Object.fromEntries(Object.keys(scopes).map((name) => [name, "other.scope"]));
  const { access } = await appAt(simulator, service).connect({}, others);
  await send(simulator, access, call, { headers: HEADERS });
  return simulator.ledger().requests.at(-1)?.outcome;
}

const isScoped = ({ route }: ApiCall): boolean => route.scopes !== undefined;

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

  it.each(mainCalls)("refuses an unknown, a revoked and an expired token: $name", async (call) => {
    expect(await refusals(call)).toEqual(expectedRefusals(call));
  });

  it.each(aliasCalls)("refuses an unknown, a revoked and an expired token: $name", { tags: "all" }, async (call) => {
    expect(await refusals(call)).toEqual(expectedRefusals(call));
  });

  it.each(mainCalls.filter(isScoped))("refuses a token without its scopes: $name", async (call) => {
    expect(await outcomeWithoutScope(call)).toBe("token_scope");
  });

  it.each(aliasCalls.filter(isScoped))("refuses a token without its scopes: $name", { tags: "all" }, async (call) => {
    expect(await outcomeWithoutScope(call)).toBe("token_scope");
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
  const names = readdirSync(new URL("../../recorded/", import.meta.url)).map((file) => file.replace(".json", ""));

  it.each(names)("names its source and the day it was read, and a test compares it: %s", (name) => {
    const here = new URL("./", import.meta.url);
    const tests = readdirSync(here).map((file) => readFileSync(new URL(file, here), "utf8"));
    for (const [call, { source, read: day }] of Object.entries(recordingsOf(name))) {
      expect(source).toMatch(/^https:\/\/[a-z]/);
      expect(day).toMatch(/^20\d\d-\d\d-\d\d$/);
      const is_compared = tests.some((text) => text.replaceAll(/\s+/g, " ").includes(`"${name}", "${call}"`));
      expect([call, is_compared]).toEqual([call, true]);
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
