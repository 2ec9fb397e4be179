/** Every mode, from the application's point of view. */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { approveConsent, clientSecretOf, MODES, simulatedClientId, startSimulator } from "../src/index.ts";
import { modesOfClientId, parseModes } from "../src/engine/modes.ts";
import { application, record, services, sha256, simulation, tokens } from "./application.ts";

const refreshes = async (id: "googlecalendar" | "slackbot" | "github" | "notion", modes: readonly string[]) => {
  const simulator = await simulation();
  const app = application(simulator, id, simulatedClientId(modes));
  const connected = await app.connect();
  return { simulator, app, ...connected, renew: () => app.refresh(connected.refresh) };
};

const last = (simulator: { ledger(): { requests: readonly unknown[] } }) => record(simulator.ledger().requests.at(-1));

describe("a client id", () => {
  it("names modes, times and a label", () => {
    const { modes, unknown } = modesOfClientId("sim-rotate+slow-10s+429-500ms.team-a");
    expect(unknown).toEqual([]);
    expect(modes.map(({ name, seconds }) => [name, seconds])).toEqual([
      ["rotate", 0],
      ["slow", 10],
      ["429", 0.5],
    ]);
  });

  it("without the prefix selects no modes", () => {
    expect(modesOfClientId("1234.rotate").modes).toEqual([]);
  });

  it("comes from simulatedClientId, which rejects modes that do not exist", () => {
    expect(simulatedClientId(["rotate", "500-then-ok"], "b")).toBe("sim-rotate+500-then-ok.b");
    expect(clientSecretOf("sim-ok")).toBe("secret-of-sim-ok");
    expect(() => simulatedClientId(["rotat"])).toThrow(/Unknown simulator mode: rotat/);
  });

  it.each(["rotat", "rotate-then-ok", "rotate-10s", "exchange-rotate"])(
    "with '%s' is refused with a message that names it",
    async (mode) => {
      const simulator = await simulation();
      const url = application(simulator, "notion", `sim-${mode}`).authorizeUrl();
      await expect(approveConsent(url)).rejects.toThrow(`Unknown simulator mode in the client id: ${mode}`);
    },
  );

  it("can name every mode of the table", () => {
    const names = Object.keys(MODES);
    expect(parseModes(names)).toMatchObject({ unknown: [] });
    expect(parseModes(names).modes.map(({ name }) => name)).toEqual(names);
  });
});

it("lists every mode in the README", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const listed = readme.split("\n").flatMap((line) => /^\| `([\w-]+)`/.exec(line)?.[1] ?? []);
  expect(new Set(listed)).toEqual(new Set(Object.keys(MODES)));
});

describe("faults before processing", () => {
  it.each([
    ["500", 500, /server_error/],
    ["502", 502, /<!doctype html>/],
    ["503", 503, /Service unavailable/],
    ["504", 504, /<!doctype html>/],
    ["html", 200, /Sign in to the network/],
    ["429-always", 429, /rate_limit_exceeded/],
    ["error-200", 200, /invalid_grant/],
    ["invalid-client", 401, /invalid_client/],
    ["try-later", 503, /internal_failure/],
  ])("%s: HTTP %i, and the refresh token stays valid", async (mode, status, text) => {
    const { simulator, renew, refresh } = await refreshes("googlecalendar", [mode, "rotate"]);
    const reply = await renew();
    expect(reply.status).toBe(status);
    expect(reply.text).toMatch(text);
    expect(last(simulator)["faults"]).toEqual([mode]);
    expect(simulator.ledger().valid_refresh_tokens).toEqual([sha256(refresh)]);
  });

  it.each(["500-then-ok", "503-then-ok", "html-then-ok", "429", "429-7s"])("%s: fails once per grant", async (mode) => {
    const { app, renew } = await refreshes("googlecalendar", [mode]);
    expect((await renew()).json).not.toHaveProperty("access_token");
    expect((await renew()).json).toHaveProperty("access_token");
    const other = await app.connect();
    expect((await app.refresh(other.refresh)).json).not.toHaveProperty("access_token");
  });

  it("429: says when to retry", async () => {
    expect((await (await refreshes("slackbot", ["rotate", "429-7s"])).renew()).headers.get("retry-after")).toBe("7");
    const always = await refreshes("slackbot", ["rotate", "429-always"]);
    expect(await always.renew()).toMatchObject({ status: 429, json: { ok: false, error: "ratelimited" } });
  });

  it("revoked: the vendor's error for it, and the grant has ended", async () => {
    const { simulator, app, renew, access } = await refreshes("slackbot", ["rotate", "revoked"]);
    expect((await renew()).json).toEqual({ ok: false, error: "token_revoked" });
    expect((await app.identity(access)).json["error"]).toBe("token_revoked");
    expect(simulator.ledger().grants).toMatchObject([{ revoked_by: "user" }]);
  });

  it("echo: the error repeats the secrets, the ledger does not", async () => {
    const { simulator, renew, refresh } = await refreshes("notion", ["echo"]);
    const { text } = await renew();
    expect(text).toContain(refresh);
    expect(text).toContain("secret-of-sim-echo");
    expect(JSON.stringify(simulator.ledger())).not.toContain(refresh);
  });

  it("redirect-token: redirects to another host and counts callers that follow", async () => {
    const { simulator, app, renew, refresh } = await refreshes("googlecalendar", ["redirect-token"]);
    const reply = await renew();
    expect(reply.status).toBe(307);
    expect(simulator.ledger().redirects_followed).toBe(0);
    await app.refresh(refresh, { redirect: "follow" });
    expect(simulator.ledger().redirects_followed).toBe(1);
  });

  it("drop-before: hangs up without processing", async () => {
    const { simulator, renew, refresh } = await refreshes("notion", ["drop-before"]);
    await expect(renew()).rejects.toThrow(/fetch failed|terminated/);
    expect(simulator.ledger().valid_refresh_tokens).toEqual([sha256(refresh)]);
  });

  it("stall: waits, then processes", async () => {
    const { simulator, renew } = await refreshes("notion", ["stall-20s"]);
    expect((await renew()).status).toBe(200);
    expect(simulator.waited_ms).toEqual([20_000]);
  });
});

const processed = async (mode: string) => {
  const connected = await refreshes("notion", [mode]);
  const check = () =>
    expect(connected.simulator.ledger().refresh_tokens[sha256(connected.refresh)]).toMatchObject({ status: "used" });
  return { ...connected, check };
};

describe("processes, then spoils the reply", () => {
  it("slow: replies late", async () => {
    const { simulator, renew, check } = await processed("slow-10s");
    expect((await renew()).json).toHaveProperty("access_token");
    expect(simulator.waited_ms).toEqual([10_000]);
    check();
  });

  it.each(["drop-after", "drop-mid"])("%s: the connection breaks", async (mode) => {
    const { renew, check } = await processed(mode);
    await expect(renew()).rejects.toThrow(/fetch failed|terminated/);
    check();
  });

  it("empty: HTTP 200 and nothing", async () => {
    const { renew, check } = await processed("empty");
    expect(await renew()).toMatchObject({ status: 200, text: "" });
    check();
  });

  it("bad-json: truncated JSON", async () => {
    const { renew, check } = await processed("bad-json");
    const { text } = await renew();
    expect(() => void JSON.parse(text)).toThrow(/JSON/);
    expect(text).toContain("access_token");
    check();
  });

  it("no-access-token: JSON without it", async () => {
    const { renew, check } = await processed("no-access-token");
    expect((await renew()).json).not.toHaveProperty("access_token");
    check();
  });

  it("drip: one byte at a time", async () => {
    const { simulator, renew, check } = await processed("drip");
    const { text } = await renew();
    expect(simulator.waited_ms).toHaveLength(text.length);
    check();
  });

  it("huge: 40 MB, and the caller can stop reading", async () => {
    const { simulator, renew, check, app } = await processed("huge");
    expect((await renew()).text.length).toBeGreaterThan(40 * 1024 * 1024);
    check();
    const fresh = await app.connect();
    const controller = new AbortController();
    const reply = app.refresh(fresh.refresh, { signal: controller.signal });
    while (last(simulator)["kind"] !== "refresh" || last(simulator)["status"] !== 200)
      await new Promise((resolve) => void setImmediate(resolve));
    controller.abort();
    await expect(reply).rejects.toThrow(/aborted/);
    while (last(simulator)["client_gone"] !== true) await new Promise((resolve) => void setImmediate(resolve));
  });

  it("gzip-bomb: small on the wire, 200 MB unpacked", async () => {
    const { simulator, refresh, check } = await processed("gzip-bomb");
    const body = await new Promise<Buffer>((resolve, reject) => {
      const pair = Buffer.from("sim-gzip-bomb:secret-of-sim-gzip-bomb").toString("base64");
      const headers = { authorization: `Basic ${pair}`, "content-type": "application/json" };
      const sent = request(`${simulator.url}/${services.notion.token}`, { method: "POST", headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve(Buffer.concat(chunks)));
      });
      sent.on("error", reject);
      sent.end(JSON.stringify({ grant_type: "refresh_token", refresh_token: refresh }));
    });
    expect(body.length).toBeLessThan(400_000);
    expect(() => gunzipSync(body, { maxOutputLength: 100_000_000 })).toThrow(/larger than/);
    check();
  });

  it("slow+drop-after: in order", async () => {
    const { simulator, renew } = await refreshes("notion", ["slow-3s", "drop-after"]);
    await expect(renew()).rejects.toThrow(/fetch failed|terminated/);
    expect(last(simulator)["faults"]).toEqual(["slow-3s", "drop-after"]);
  });
});

describe("exchange- moves a fault to the code exchange", () => {
  it("fails the exchange and not the refresh", async () => {
    const simulator = await simulation();
    const app = application(simulator, "notion", "sim-exchange-500-then-ok");
    const code = (await app.consent()).get("code") ?? "";
    expect((await app.exchange(code)).status).toBe(500);
    const second = await app.exchange(code);
    expect(second.status).toBe(200);
    expect((await app.refresh(tokens(second).refresh)).status).toBe(200);
  });
});

describe("the token reply", () => {
  it.each([
    ["ok", 3599],
    ["life-60s", 60],
    ["no-expires-in", undefined],
    ["expires-as-string", "3599"],
    ["expires-0", 0],
    ["expires-junk", "1h"],
  ])("%s: expires_in is %s", async (mode, expected) => {
    expect((await refreshes("googlecalendar", [mode])).reply.json["expires_in"]).toBe(expected);
  });

  it("life: the token really expires then", async () => {
    const { simulator, app, access } = await refreshes("notion", ["life-60s"]);
    simulator.advance(59_999);
    expect((await app.identity(access)).status).toBe(200);
    simulator.advance(1);
    expect((await app.identity(access)).status).toBe(401);
  });

  it("life: does not affect tokens that never expire and cannot be refreshed", async () => {
    const { simulator, app, access } = await refreshes("github", ["life-60s"]);
    simulator.advance(1e12);
    expect((await app.identity(access)).status).toBe(200);
  });

  it("no-refresh-token: there is none", async () => {
    const { reply } = await refreshes("googlecalendar", ["no-refresh-token"]);
    expect(reply.json).not.toHaveProperty("refresh_token");
  });

  it("partial-scopes: the last one is not granted", async () => {
    const { reply } = await refreshes("slackbot", ["partial-scopes"]);
    expect(reply.json["scope"]).toBe("channels:read");
  });

  it("access-dead: the API rejects a refreshed token", async () => {
    const { app, access, renew } = await refreshes("googlecalendar", ["access-dead"]);
    expect((await app.identity(access)).status).toBe(200);
    expect((await app.identity(tokens(await renew()).access)).status).toBe(401);
  });
});

describe("the way to consent and back", () => {
  it("hop: redirects through another origin", async () => {
    const simulator = await simulation();
    const app = application(simulator, "notion", "sim-hop");
    const response = await fetch(app.authorizeUrl(), { redirect: "manual" });
    expect(new URL(response.headers.get("location") ?? "").origin).toBe(`http://localhost:${simulator.port}`);
    expect((await app.connect()).reply.status).toBe(200);
  });

  it("wrong-iss: the callback names the wrong issuer", async () => {
    const simulator = await simulation();
    const callback = await application(simulator, "github", "sim-wrong-iss").consent();
    expect(callback.get("iss")).toBe("https://issuer.invalid");
  });
});

describe("modes switched at run time", () => {
  it("take a host down and bring it back", async () => {
    const { simulator, renew } = await refreshes("notion", ["ok"]);
    simulator.setModes({ host: "api.notion.com", modes: ["outage"] });
    await expect(renew()).rejects.toThrow(/fetch failed|terminated/);
    simulator.setModes({ host: "api.notion.com", modes: ["outage-500"] });
    expect((await renew()).status).toBe(500);
    simulator.setModes({ host: "api.notion.com", modes: ["outage-503"] });
    expect((await renew()).status).toBe(503);
    simulator.setModes({ host: "api.notion.com", modes: [] });
    expect((await renew()).status).toBe(200);
  });

  it("change only the client they name", async () => {
    const { simulator, app, renew } = await refreshes("googlecalendar", ["ok"]);
    const other = application(simulator, "googlecalendar", "other");
    const { refresh } = await other.connect();
    simulator.setModes({ client_id: app.client_id, modes: ["500"] });
    expect((await renew()).status).toBe(500);
    expect((await other.refresh(refresh)).status).toBe(200);
    expect(() => simulator.setModes({ modes: ["nonsense"] })).toThrow(/nonsense/);
  });
});

it("ends waits and open connections when it closes", async () => {
  const simulator = await startSimulator();
  const app = application(simulator, "notion", "sim-stall-600s");
  const { refresh } = await app.connect();
  const waiting = app.refresh(refresh).catch((error: unknown) => error);
  while (simulator.ledger().hosts["api.notion.com"]?.refresh === undefined) {
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await simulator.close();
  expect(await waiting).toBeInstanceOf(Error);
});
