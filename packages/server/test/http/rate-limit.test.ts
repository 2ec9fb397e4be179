import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { LIMITS } from "../../src/core/limits.ts";
import { ROUTE_LIMITS } from "../../src/http/rate-limit.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { MINUTE, SECOND } from "../support/clock.ts";
import type { Reply } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const statusesOf = async (count: number, request: () => Promise<Reply>): Promise<readonly number[]> => {
  const statuses: number[] = [];
  for (let n = 0; n < count; n += 1) statuses.push((await request()).status);
  return statuses;
};

/**
 * The limits of production. Other tests' servers count no requests, because their clocks stand
 * still.
 */
const { lists_per_minute, status_polls_per_minute, disconnects_per_minute } = LIMITS;
const COUNTED = { lists_per_minute, status_polls_per_minute, disconnects_per_minute };

const external = ({ app }: TestServer, rest: string): string => `/api/apps/${app.app_id}/external-auth/${rest}`;
const tokenWith = (holdfast: TestServer, bearer: string, headers: Readonly<Record<string, string>> = {}) =>
  holdfast.request("GET", external(holdfast, "tokens/slack"), {
    headers: { authorization: `Bearer ${bearer}`, ...headers },
  });

describe("limits of requests", () => {
  it.each([
    ["lists", 60, "GET", "list"],
    ["polls of a consent", 70, "GET", "status?integration_type=slack&connection_id=flw_1"],
    ["disconnects", 10, "DELETE", "integrations/slack"],
  ])("allow %s this often per minute: %i", async (_what, limit, method, path) => {
    const holdfast = await startTestServer({ limits: COUNTED });
    const call = () => holdfast.manage(method, external(holdfast, path));
    expect(await statusesOf(limit, call)).not.toContain(429);
    await holdfast.clock.jump(15 * SECOND);
    const refused = await call();
    expect([refused.status, refused.code, refused.headers.get("retry-after")]).toEqual([429, "rate_limited", "45"]);
    expect(refused.json["retryable"]).toBe(true);
    await holdfast.clock.jump(45 * SECOND);
    expect((await call()).status).not.toBe(429);
  });

  it("allow polling a consent every two seconds until it ends", async () => {
    const holdfast = await startTestServer({ limits: COUNTED });
    for (let n = 0; n < 90; n += 1) {
      const { status } = await holdfast.manage(
        "GET",
        external(holdfast, "status?integration_type=slack&connection_id=flw_1"),
      );
      expect(status).not.toBe(429);
      await holdfast.clock.jump(2 * SECOND);
    }
  });

  it("count each key and each session separately, and callers without one by address", async () => {
    const holdfast = await startTestServer({ limits: { lists_per_minute: 2, requests_per_minute: 4 } });
    const other = await holdfast.createApp("other");
    const list = (api_key: string) => holdfast.request("GET", external(holdfast, "list"), { headers: { api_key } });
    expect(await statusesOf(3, () => list(holdfast.app.api_key))).toEqual([200, 200, 429]);
    expect((await list(other.api_key)).status).not.toBe(429);
    const [one, two] = [await holdfast.signedIn(), await holdfast.signedIn()];
    expect(await statusesOf(5, () => one.get("/"))).toEqual([200, 200, 200, 200, 429]);
    expect((await two.get("/")).status).toBe(200);
  });

  it("do not apply to token reads unless the operator sets one", async () => {
    const free = await startTestServer({ limits: { requests_per_minute: 1 } });
    expect(await statusesOf(50, () => tokenWith(free, free.app.service_token))).not.toContain(429);
    const limited = await startTestServer({ limits: { token_reads_per_minute: 2 } });
    const statuses = await statusesOf(3, () => tokenWith(limited, limited.app.service_token));
    expect(statuses.map((status) => status === 429)).toEqual([false, false, true]);
    await limited.clock.jump(MINUTE);
    expect((await tokenWith(limited, limited.app.service_token)).status).not.toBe(429);
  });

  it("stop an address after repeated refusals, except for its callers with a valid credential", async () => {
    const holdfast = await startTestServer({ limits: { failed_authentications_per_minute: 3 } });
    const wrong = await statusesOf(5, () => tokenWith(holdfast, "made up"));
    expect(wrong).toEqual([401, 401, 401, 429, 429]);
    // Guesses with different keys still count for the same address.
    expect((await holdfast.request("GET", external(holdfast, "list"), { headers: { api_key: "b44k_x" } })).status).toBe(
      429,
    );
    expect((await tokenWith(holdfast, holdfast.app.service_token)).status).not.toBe(429);
    await holdfast.clock.jump(MINUTE);
    expect((await tokenWith(holdfast, "made up")).status).toBe(401);
  });

  it("cannot be evaded with invented credentials", async () => {
    const holdfast = await startTestServer({
      limits: { requests_per_minute: 3, failed_authentications_per_minute: 3 },
    });
    let made_up = 0;
    const withAny = (path: string) => () => {
      made_up += 1;
      const cookie = `holdfast-session=${String(made_up).padStart(43, "A")}`;
      return holdfast.request("GET", path, { headers: { cookie, authorization: `Bearer ${made_up}` } });
    };
    expect(await statusesOf(4, withAny("/sign-in"))).toEqual([200, 200, 200, 429]);
    expect(await statusesOf(4, withAny("/"))).toEqual([401, 401, 401, 429]);
    expect(await statusesOf(1, withAny("/api/management/apps"))).toEqual([429]);
    expect(await statusesOf(1, withAny("/nowhere"))).toEqual([429]);
  });

  it("reply slow_down to command lines, which then keep polling", async () => {
    const holdfast = await startTestServer({ limits: { oauth_requests_per_minute: 1 } });
    const poll = () => holdfast.request("POST", "/oauth/token", { json: { client_id: "base44_cli" } });
    expect((await poll()).json["error"]).toBe("invalid_request");
    const refused = await poll();
    expect([refused.status, refused.json["error"], refused.headers.get("retry-after")]).toEqual([
      429,
      "slow_down",
      "60",
    ]);
  });

  it("name routes that exist", async () => {
    const { server, installation } = await startTestServer();
    const ready = () => Promise.resolve(true);
    const http = await createHttpServer({ ...installation, ...server, functionRunner: null, ready });
    for (const route of Object.keys(ROUTE_LIMITS)) {
      const [method = "", url = ""] = route.split(" ");
      expect({ route, exists: http.hasRoute({ method, url }) }).toEqual({ route, exists: true });
    }
    await http.close();
  });
});

describe("the address of a client", () => {
  const failing = { failed_authentications_per_minute: 1 };

  it("is the socket's, regardless of X-Forwarded-For", async () => {
    const holdfast = await startTestServer({ limits: failing });
    const from = (address: string) => tokenWith(holdfast, "made up", { "x-forwarded-for": address });
    expect([(await from("192.0.2.1")).status, (await from("192.0.2.2")).status]).toEqual([401, 429]);
  });

  it("is what trusted proxies report: the last address that is not a trusted proxy", async () => {
    const holdfast = await startTestServer({
      limits: failing,
      config: { trusted_proxies: ["127.0.0.0/8", "10.0.0.0/8"] },
    });
    const from = (addresses: string) => tokenWith(holdfast, "made up", { "x-forwarded-for": addresses });
    expect((await from("192.0.2.1")).status).toBe(401);
    // The client's own entry stands before those of the proxies.
    expect((await from("203.0.113.9, 192.0.2.1, 10.1.2.3")).status).toBe(429);
    expect((await from("192.0.2.2")).status).toBe(401);
    // One IPv6 network counts as one client.
    expect((await from("2001:db8:1:2::1")).status).toBe(401);
    expect((await from("2001:db8:1:2:ffff::2")).status).toBe(429);
    expect((await from("2001:db8:1:3::1")).status).toBe(401);
  });

  it("is never arbitrary text from a proxy", async () => {
    const holdfast = await startTestServer({ config: { trusted_proxies: ["127.0.0.1"] } });
    await holdfast.manage("DELETE", external(holdfast, "integrations/slack"), {
      headers: { "x-forwarded-for": "<script>" },
    });
    await holdfast.installation.audit.flush();
    const [event] = await holdfast.installation.store.listAudit(holdfast.app.app_id, 1);
    expect(event).toMatchObject({ action: "connector.disconnect", address: "127.0.0.1" });
  });

  it("is trusted from addresses and networks only: any other setting stops the start", () => {
    const load = (value: string) => loadConfig({}, { HOLDFAST_TRUSTED_PROXIES: value });
    expect(load("10.0.0.0/8, 192.168.1.7,2001:db8::/32").trusted_proxies).toEqual([
      "10.0.0.0/8",
      "192.168.1.7",
      "2001:db8::/32",
    ]);
    expect(load("").trusted_proxies).toEqual([]);
    for (const wrong of ["proxy.internal", "10.0.0.0/33", "10.0.0.0/8/8", "10.0.0", "true", "10.0.0.1,"])
      expect(() => load(wrong)).toThrow(/HOLDFAST_TRUSTED_PROXIES/);
    expect(() => loadConfig({}, { HOLDFAST_AUDIT_RELEASE: "after" })).toThrow(/HOLDFAST_AUDIT_RELEASE/);
    expect(loadConfig({}, { HOLDFAST_AUDIT_RELEASE: "before" }).audit_release).toBe("before");
  });
});
