import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientSecretOf } from "@holdfast/simulator";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ApiError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { run } from "../../src/store/operation.ts";
import { CONNECTION } from "../../src/store/rows.ts";
import { HOUR, MINUTE, SECOND, until } from "../support/clock.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

/** A type, the modes that make its tokens expire and rotate, and a time after which they are over. */
const SERVICES = [
  ["googlecalendar", [], 2 * HOUR],
  ["salesforce", ["rotate"], 3 * HOUR],
  ["slack", ["rotate"], 13 * HOUR],
  ["slackbot", ["rotate"], 13 * HOUR],
  ["github", ["rotate"], 9 * HOUR],
  // No expiry is known: only a refused token is a reason to refresh.
  ["notion", [], null],
] as const;

/** A connected Google account (its refresh token stays) or GitHub App user (single use) with these faults. */
async function connected(integration_type: "googlecalendar" | "github", modes: readonly string[] = [], options = {}) {
  const holdfast = await startTestServer(options);
  await holdfast.setClient(integration_type, [...(integration_type === "github" ? ["rotate"] : []), ...modes]);
  await holdfast.connect(integration_type);
  const first = await holdfast.accessToken(integration_type);
  return { holdfast, first };
}

const many = <T>(count: number, one: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, one));

describe("many callers, one refresh", () => {
  it.for(SERVICES)("answers 200 callers of %s with the one new token", async ([type, modes, age_ms]) => {
    const holdfast = await startTestServer();
    await holdfast.setClient(type, modes);
    await holdfast.connect(type);
    const old = await holdfast.accessToken(type);
    if (age_ms !== null) await holdfast.clock.jump(age_ms);

    const replies = await many(200, () => holdfast.token(type, age_ms === null ? { rejected: old } : {}));

    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    const tokens = new Set(replies.map(({ json }) => json["access_token"]));
    expect(tokens.size).toBe(1);
    expect(tokens).not.toContain(old);
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(holdfast.simulator.ledger()).toMatchObject({ max_concurrent_refreshes: 1, families_revoked: [] });
  });

  it("keeps all callers waiting for an answer that takes ten seconds", async () => {
    const { holdfast, first } = await connected("github", ["slow-10s"]);
    await holdfast.clock.jump(9 * HOUR);
    const asked = many(200, () => holdfast.token("github"));
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(10 * SECOND);
    const replies = await asked;
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(replies.map(({ json }) => json["access_token"])).size).toBe(1);
    expect(replies[0]?.json["access_token"]).not.toBe(first);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("tells readers to come back when the answer takes longer than they may wait, and keeps the answer", async () => {
    const { holdfast } = await connected("github", ["slow-30s"]);
    await holdfast.clock.jump(9 * HOUR);
    const asked = holdfast.token("github");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(15 * SECOND);
    const late = await asked;
    expect([late.status, late.code, late.headers.get("retry-after")]).toEqual([503, "provider_unavailable", "1"]);
    await holdfast.clock.advance(15 * SECOND);
    expect((await holdfast.token("github")).status).toBe(200);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("refuses more waiters than the limit instead of collecting them", async () => {
    const { holdfast } = await connected("googlecalendar", ["slow-5s"], { limits: { waiters_per_connection: 3 } });
    await holdfast.clock.jump(2 * HOUR);
    const asked = many(10, () => holdfast.token("googlecalendar"));
    await until("the others are refused", () => holdfast.log.filter(({ status }) => status === 503).length === 6);
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(5 * SECOND);
    const codes = (await asked).map(({ status, code }) => code ?? status);
    expect(codes.filter((code) => code === 200)).toHaveLength(4);
    expect(codes.filter((code) => code === "refresh_busy")).toHaveLength(6);
  });
});

describe("before the token is over", () => {
  it("serves the old token while it refreshes behind the reader", async () => {
    const { holdfast, first } = await connected("googlecalendar", ["slow-3s"]);
    await holdfast.clock.jump(54 * MINUTE);
    expect(await holdfast.accessToken("googlecalendar")).toBe(first);
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    expect(await holdfast.accessToken("googlecalendar")).toBe(first);
    await holdfast.clock.advance(3 * SECOND);
    await until("the new token is stored", async () => (await holdfast.row("googlecalendar")).generation === 2);
    expect(await holdfast.accessToken("googlecalendar")).not.toBe(first);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("does not let readers of an ageing token queue up behind a slow refresh", async () => {
    const { holdfast, first } = await connected("googlecalendar", ["slow-3s"], {
      limits: { waiters_per_connection: 2 },
    });
    await holdfast.clock.jump(54 * MINUTE);
    const replies = await many(50, () => holdfast.token("googlecalendar"));
    expect(new Set(replies.map(({ json }) => json["access_token"]))).toEqual(new Set([first]));
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    expect(holdfast.log.filter(({ level }) => level === "error")).toEqual([]);
    await holdfast.clock.advance(3 * SECOND);
    await until("the new token is stored", async () => (await holdfast.row("googlecalendar")).generation === 2);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("does not touch the database for readers of an ageing token before the next attempt is due", async () => {
    const { holdfast, first } = await connected("googlecalendar", ["500"]);
    await holdfast.clock.jump(54 * MINUTE);
    await holdfast.token("googlecalendar");
    await until("the attempt has failed", async () => (await holdfast.row("googlecalendar")).failures === 1);
    const claims = vi.spyOn(holdfast.installation.store, "claimRefresh");
    const replies = await many(50, () => holdfast.token("googlecalendar"));
    expect(new Set(replies.map(({ json }) => json["access_token"]))).toEqual(new Set([first]));
    expect(claims).not.toHaveBeenCalled();
  });

  it("waits two seconds for a better token in the last minutes, then serves the old one", async () => {
    const { holdfast, first } = await connected("googlecalendar", ["slow-5s"]);
    await holdfast.clock.jump(57 * MINUTE);
    const asked = holdfast.token("googlecalendar");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(2 * SECOND);
    expect((await asked).json["access_token"]).toBe(first);
    await holdfast.clock.advance(3 * SECOND);
    await until("the new token is stored", async () => (await holdfast.row("googlecalendar")).generation === 2);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("serves the same token while the provider is down, for as long as it works", async () => {
    const { holdfast, first } = await connected("googlecalendar");
    holdfast.simulator.setModes({ modes: ["outage"] });
    await holdfast.clock.jump(50 * MINUTE);
    expect(await holdfast.accessToken("googlecalendar")).toBe(first);
    await holdfast.clock.jump(9 * MINUTE);
    expect(await holdfast.accessToken("googlecalendar")).toBe(first);
  });

  it("answers 503 with Retry-After once it is over, and 200 one second after the provider is back", async () => {
    const { holdfast, first } = await connected("googlecalendar");
    holdfast.simulator.setModes({ modes: ["outage-503"] });
    await holdfast.clock.jump(HOUR);
    const down = await holdfast.token("googlecalendar");
    expect([down.status, down.code, down.json["retryable"]]).toEqual([503, "provider_unavailable", true]);
    expect(down.headers.get("retry-after")).toBe("1");
    expect(down.extra).toMatchObject({ who_must_act: "provider" });

    holdfast.simulator.setModes({ modes: [] });
    await holdfast.clock.jump(SECOND);
    const back = await holdfast.token("googlecalendar");
    expect(back.status).toBe(200);
    expect(back.json["access_token"]).not.toBe(first);
    expect(await holdfast.events()).toEqual(["connection.connected"]);
  });

  it("does the same when nobody listens at the provider's address", async () => {
    const { holdfast } = await connected("googlecalendar");
    await holdfast.simulator.close();
    await holdfast.clock.jump(HOUR);
    const down = await holdfast.token("googlecalendar");
    expect([down.status, down.code]).toEqual([503, "provider_unavailable"]);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ fail_class: "not_sent", intent_at: null });
  });

  it("asks a failing provider at most once a second, however many readers wait", async () => {
    const { holdfast } = await connected("googlecalendar", ["500"]);
    await holdfast.clock.jump(2 * HOUR);
    for (let second = 0; second < 5; second += 1) {
      await many(20, () => holdfast.token("googlecalendar"));
      await holdfast.clock.advance(SECOND);
    }
    expect(holdfast.refreshes().length).toBeGreaterThanOrEqual(4);
    expect(holdfast.refreshes().length).toBeLessThanOrEqual(5);
  });

  it("renews tokens from the sweeper, before any reader comes", async () => {
    const { holdfast, first } = await connected("googlecalendar");
    await holdfast.clock.jump(44 * MINUTE);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(0);
    await holdfast.clock.jump(11 * MINUTE);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(await holdfast.accessToken("googlecalendar")).not.toBe(first);
  });
});

describe("revoked at the provider", () => {
  async function revoked(integration_type: "googlecalendar" | "github") {
    const { holdfast } = await connected(integration_type);
    holdfast.simulator.revokeGrants({});
    await holdfast.clock.jump(9 * HOUR);
    return { holdfast, refused: await holdfast.token(integration_type) };
  }

  it.for(["googlecalendar", "github"] as const)("says at the first read who must act and where: %s", async (type) => {
    const { holdfast, refused } = await revoked(type);
    expect([refused.status, refused.code, refused.json["retryable"]]).toEqual([409, "connection_expired", false]);
    expect(refused.extra).toEqual({
      who_must_act: "builder",
      reason: "revoked",
      reconnect_url: `${holdfast.config.public_url}/apps/${holdfast.app.app_id}/connect/${type}`,
    });
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
    const list = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`);
    expect(list.json["integrations"]).toMatchObject([{ integration_type: type, status: "expired", reason: "revoked" }]);
  });

  it("asks the provider at most once more in a thousand reads, and tells once", async () => {
    const { holdfast } = await revoked("googlecalendar");
    for (let round = 0; round < 10; round += 1) {
      const replies = await many(100, () => holdfast.token("googlecalendar"));
      expect(replies.every(({ status }) => status === 409)).toBe(true);
      await holdfast.clock.jump(MINUTE);
      await holdfast.server.sweeper.tick();
    }
    expect(holdfast.refreshes()).toHaveLength(2);
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ status: "expired", confirm_at: null });
  });

  it("never sends a refused single-use token again", async () => {
    const { holdfast } = await revoked("github");
    for (let round = 0; round < 3; round += 1) {
      await holdfast.clock.jump(MINUTE);
      await holdfast.server.sweeper.tick();
    }
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("takes the connection back when the one confirming request is accepted", async () => {
    const holdfast = await startTestServer();
    holdfast.simulator.setLifetimes({ refresh_token_s: 10 * 3600 });
    await holdfast.connect("googlecalendar");
    await holdfast.clock.jump(2 * HOUR);
    // A provider that refuses for a while what it accepts later: its clock is wrong.
    holdfast.simulator.advance(20 * HOUR);
    expect((await holdfast.token("googlecalendar")).code).toBe("connection_expired");
    holdfast.simulator.advance(-20 * HOUR);
    await holdfast.clock.jump(59 * SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    await holdfast.clock.jump(SECOND);
    await holdfast.server.sweeper.tick();
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect(await holdfast.events()).toEqual([
      "connection.connected",
      "connection.needs_reconnect",
      "connection.recovered",
    ]);
  });

  it("is connected again by a new consent", async () => {
    const { holdfast } = await revoked("github");
    await holdfast.connect("github");
    expect((await holdfast.token("github")).status).toBe(200);
    expect(await holdfast.row("github")).toMatchObject({ status: "active", reason: null, confirm_at: null });
  });
});

describe("a refused OAuth client", () => {
  it("pauses its connections, ends none, and heals when the right secret is set", async () => {
    const { holdfast } = await connected("googlecalendar");
    holdfast.simulator.registerClient({ client_id: "sim-ok", client_secret: "the new one" });
    await holdfast.clock.jump(2 * HOUR);
    const refused = await holdfast.token("googlecalendar");
    expect([refused.status, refused.code]).toEqual([502, "oauth_client_rejected"]);
    expect(refused.extra).toMatchObject({ who_must_act: "builder" });
    await many(50, () => holdfast.token("googlecalendar"));
    await holdfast.clock.jump(10 * SECOND);
    await holdfast.token("googlecalendar");
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ status: "active", fail_class: "misconfigured" });

    await holdfast.installation.clients.set({
      integration_type: "googlecalendar",
      client_id: "sim-ok",
      client_secret: new Secret("the new one"),
      shared_callback: false,
    });
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect(await holdfast.events()).toEqual(["connection.connected"]);
  });

  it("ends the connections of a client that is replaced by another", async () => {
    const { holdfast } = await connected("googlecalendar");
    await holdfast.setClient("googlecalendar", [], "other");
    const refused = await holdfast.token("googlecalendar");
    expect([refused.code, refused.extra["reason"]]).toEqual(["connection_expired", "client_changed"]);
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
    expect(holdfast.refreshes()).toHaveLength(0);
  });

  it("does not let a late answer revive a connection whose client is gone", async () => {
    const { holdfast } = await connected("googlecalendar", ["slow-5s"]);
    await holdfast.clock.jump(2 * HOUR);
    const asked = holdfast.token("googlecalendar");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.setClient("googlecalendar", [], "other");
    await holdfast.clock.advance(5 * SECOND);
    expect((await asked).code).toBe("connection_expired");
    expect(await holdfast.row("googlecalendar")).toMatchObject({ status: "expired", reason: "client_changed" });
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
  });
});

describe("answers that are none", () => {
  it("obeys Retry-After to the second", async () => {
    const { holdfast } = await connected("googlecalendar", ["429-7s"]);
    await holdfast.clock.jump(2 * HOUR);
    const first = await holdfast.token("googlecalendar");
    expect([first.status, first.headers.get("retry-after")]).toEqual([503, "7"]);
    await holdfast.clock.jump(6 * SECOND);
    expect((await holdfast.token("googlecalendar")).headers.get("retry-after")).toBe("1");
    expect(holdfast.refreshes()).toHaveLength(1);
    await holdfast.clock.jump(SECOND);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect(holdfast.refreshes()).toHaveLength(2);
  });

  it.for([
    "500-then-ok",
    "502-then-ok",
    "html-then-ok",
    "bad-json-then-ok",
    "empty-then-ok",
    "no-access-token-then-ok",
  ])("tries again after %s, and keeps the tokens meanwhile", async (mode) => {
    const { holdfast } = await connected("googlecalendar", [mode]);
    await holdfast.clock.jump(2 * HOUR);
    const failed = await holdfast.token("googlecalendar");
    expect([failed.status, failed.code]).toEqual([503, "provider_unavailable"]);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ status: "active", generation: 1 });
    await holdfast.clock.jump(SECOND);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ generation: 2, intent_at: null, failures: 0 });
    expect(await holdfast.events()).toEqual(["connection.connected"]);
  });

  it("names the loss when the answer to a single-use token was lost", async () => {
    const { holdfast } = await connected("github", ["drop-after-then-ok"]);
    await holdfast.clock.jump(9 * HOUR);
    expect((await holdfast.token("github")).code).toBe("provider_unavailable");
    expect(await holdfast.row("github")).toMatchObject({ status: "active", fail_class: "unknown" });
    expect((await holdfast.row("github")).intent_at).not.toBeNull();
    await holdfast.clock.jump(10 * SECOND);
    const lost = await holdfast.token("github");
    expect([lost.code, lost.extra["reason"]]).toEqual(["connection_expired", "refresh_outcome_unknown"]);
    await holdfast.clock.jump(10 * MINUTE);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(2);
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
  });

  it("keeps an outcome unknown when a later request could not even be sent", async () => {
    const { holdfast } = await connected("github", ["drop-after-then-ok"]);
    await holdfast.clock.jump(9 * HOUR);
    await holdfast.token("github");
    await holdfast.simulator.close();
    await holdfast.clock.jump(10 * SECOND);
    await holdfast.token("github");
    expect((await holdfast.row("github")).intent_at).not.toBeNull();
  });

  it("keeps the refresh token when the answer brings no other", async () => {
    const { holdfast } = await connected("googlecalendar");
    const before = await holdfast.row("googlecalendar");
    for (let round = 0; round < 3; round += 1) {
      await holdfast.clock.jump(2 * HOUR);
      expect((await holdfast.token("googlecalendar")).status).toBe(200);
    }
    expect((await holdfast.row("googlecalendar")).rt_fp).toBe(before.rt_fp);
    expect(new Set(holdfast.refreshes().map((one) => one.refresh_token_sha256)).size).toBe(1);
  });

  it.for([
    ["no-expires-in", HOUR],
    ["expires-as-string", HOUR - SECOND],
    ["expires-junk", HOUR],
    ["expires-0", 80 * SECOND],
  ] as const)("knows how long a token lives when the answer says %s", async ([mode, life_ms]) => {
    const { holdfast } = await connected("googlecalendar", [mode]);
    const row = await holdfast.row("googlecalendar");
    expect((row.expires_at ?? 0) - row.issued_at).toBe(life_ms);
    await many(20, () => holdfast.token("googlecalendar"));
    expect(holdfast.refreshes()).toHaveLength(0);
  });

  it("gives up after four days of failure, and says that nobody knows why", async () => {
    const { holdfast } = await connected("googlecalendar", ["500"]);
    await holdfast.clock.jump(2 * HOUR);
    await holdfast.server.sweeper.tick();
    await holdfast.clock.jump(96 * HOUR);
    await holdfast.server.sweeper.tick();
    expect((await holdfast.row("googlecalendar")).status).toBe("active");
    await holdfast.clock.jump(2 * HOUR);
    await holdfast.server.sweeper.tick();
    expect(await holdfast.row("googlecalendar")).toMatchObject({ status: "expired", reason: "failing_too_long" });
  });

  it("never follows a redirect with the secret, and never repeats what a provider wrote", async () => {
    for (const mode of ["redirect-token", "echo"]) {
      const { holdfast } = await connected("googlecalendar", [mode]);
      await holdfast.clock.jump(2 * HOUR);
      const reply = await holdfast.token("googlecalendar");
      expect([reply.status, reply.code]).toEqual([503, "provider_unavailable"]);
      expect(holdfast.simulator.ledger().redirects_followed).toBe(0);
      const told = reply.text + JSON.stringify(holdfast.log);
      expect(told).not.toContain(clientSecretOf(`sim-${mode}`));
      expect(told).not.toContain("refresh_token=");
    }
  });
});

describe("a token that its API refused", () => {
  it("is replaced once; a second time within the minute is the caller's to look into", async () => {
    const { holdfast, first } = await connected("googlecalendar");
    const second = String((await holdfast.token("googlecalendar", { rejected: first })).json["access_token"]);
    expect(second).not.toBe(first);
    const again = await holdfast.token("googlecalendar", { rejected: second });
    expect([again.status, again.code]).toEqual([429, "refresh_too_soon"]);
    expect(Number(again.headers.get("retry-after"))).toBeLessThanOrEqual(60);
    await holdfast.clock.jump(MINUTE);
    expect((await holdfast.token("googlecalendar", { rejected: second })).status).toBe(200);
    expect(holdfast.refreshes()).toHaveLength(2);
  });

  it("costs nothing when the refused token is an older one", async () => {
    const { holdfast, first } = await connected("googlecalendar");
    await holdfast.token("googlecalendar", { rejected: first });
    const replies = await many(50, () => holdfast.token("googlecalendar", { rejected: first }));
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("ends the connection only when the provider confirms, where there is nothing to refresh with", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("slack");
    const token = await holdfast.accessToken("slack");
    expect((await holdfast.token("slack", { rejected: token })).json["access_token"]).toBe(token);
    holdfast.simulator.revokeGrants({});
    const dead = await holdfast.token("slack", { rejected: token });
    expect([dead.code, dead.extra["reason"]]).toEqual(["connection_expired", "rejected_by_api"]);
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
  });

  it("ends the connection when the token ran out and there never was a refresh token", async () => {
    const holdfast = await startTestServer();
    await holdfast.setClient("googlecalendar", ["no-refresh-token"]);
    await holdfast.connect("googlecalendar");
    await holdfast.clock.jump(2 * HOUR);
    const over = await holdfast.token("googlecalendar");
    expect([over.code, over.extra["reason"]]).toEqual(["connection_expired", "no_refresh_token"]);
    await many(5, () => holdfast.token("googlecalendar"));
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
  });
});

describe("while a refresh is in flight", () => {
  async function inFlight(): Promise<{ holdfast: TestServer; asked: ReturnType<TestServer["token"]> }> {
    const { holdfast } = await connected("github", ["slow-5s"]);
    await holdfast.clock.jump(9 * HOUR);
    const asked = holdfast.token("github");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    return { holdfast, asked };
  }

  it("lets a new consent win over the late answer", async () => {
    const { holdfast, asked } = await inFlight();
    await holdfast.connect("github", { account: "bob" });
    const { generation, rt_fp } = await holdfast.row("github");
    const fresh = await holdfast.accessToken("github");
    await holdfast.clock.advance(5 * SECOND);
    expect((await asked).json["access_token"]).toBe(fresh);
    expect(await holdfast.row("github")).toMatchObject({ generation, rt_fp, account_label: "bob" });
    expect(await holdfast.accessToken("github")).toBe(fresh);
  });

  it("stores nothing after a disconnect", async () => {
    const { holdfast, asked } = await inFlight();
    await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/github`);
    await holdfast.clock.advance(5 * SECOND);
    expect((await asked).code).toBe("connection_disconnected");
    expect(await holdfast.row("github")).toMatchObject({
      status: "disconnected",
      sealed_access: null,
      sealed_refresh: null,
    });
  });

  it("F56: revokes at the provider what came after a disconnect, as nobody can have it any more", async () => {
    const holdfast = await startTestServer();
    await holdfast.setClient("box", ["rotate", "slow-5s"]);
    await holdfast.connect("box");
    await holdfast.clock.jump(9 * HOUR);
    const asked = holdfast.token("box");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/box`);
    await holdfast.clock.advance(5 * SECOND);
    expect((await asked).code).toBe("connection_disconnected");
    await holdfast.server.sweeper.tick();
    const tokens = Object.values(holdfast.simulator.ledger().refresh_tokens).map(({ status }) => status);
    expect(tokens).toHaveLength(2);
    expect(tokens).not.toContain("current");
  });

  it("keeps settings that a builder changes meanwhile", async () => {
    const { holdfast, asked } = await inFlight();
    const { id } = await holdfast.row("github");
    await holdfast.installation.store.transaction((tx) =>
      run(tx.db.updateTable("connections").set({ config: '{"team":"blue"}' }).where("id", "=", id)),
    );
    await holdfast.clock.advance(5 * SECOND);
    expect((await asked).status).toBe(200);
    expect(await holdfast.row("github")).toMatchObject({ generation: 2, config: { team: "blue" } });
  });

  it("stores nothing after a removal", async () => {
    const { holdfast, asked } = await inFlight();
    await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/github/remove`);
    await holdfast.clock.advance(5 * SECOND);
    expect((await asked).code).toBe("not_connected");
    expect(await holdfast.installation.store.listConnections(holdfast.app.app_id)).toEqual([]);
  });

  it("stores nothing after the app was deleted", async () => {
    const { holdfast, asked } = await inFlight();
    await holdfast.manage("DELETE", `/api/management/apps/${holdfast.app.app_id}`);
    await holdfast.clock.advance(5 * SECOND);
    expect((await asked).status).toBe(404);
    expect(await holdfast.installation.store.listConnections(holdfast.app.app_id)).toEqual([]);
    const scopes = (await holdfast.installation.store.listDataKeys()).map(({ scope }) => scope);
    expect(scopes).not.toContain(holdfast.app.app_id);
  });
});

describe("when the database fails after the request was sent", () => {
  it("serves the answer from memory, keeps it in the spill, and commits when the database is back", async () => {
    const { holdfast, first } = await connected("github");
    const { store } = holdfast.installation;
    await holdfast.clock.jump(9 * HOUR);
    const broken = vi.spyOn(store, "transaction").mockRejectedValue(new ApiError("database_unavailable"));
    const replies = await many(20, () => holdfast.token("github"));
    expect(new Set(replies.map(({ status, json }) => `${status} ${String(json["access_token"])}`)).size).toBe(1);
    expect(replies[0]?.status).toBe(200);
    expect(replies[0]?.json["access_token"]).not.toBe(first);
    expect(await holdfast.row("github")).toMatchObject({ generation: 1 });
    expect((await holdfast.token("github")).json["access_token"]).toBe(replies[0]?.json["access_token"]);

    broken.mockRestore();
    await holdfast.clock.advance(SECOND);
    await until("it is committed", async () => (await holdfast.row("github")).generation === 2);
    expect(await holdfast.row("github")).toMatchObject({ intent_at: null, lease_until: null });
    expect((await holdfast.token("github")).json["access_token"]).toBe(replies[0]?.json["access_token"]);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("brings the answer back from the spill after a restart, without another request", async () => {
    const { holdfast } = await connected("github");
    await holdfast.clock.jump(9 * HOUR);
    const broken = vi.spyOn(holdfast.installation.store, "transaction");
    broken.mockRejectedValue(new ApiError("database_unavailable"));
    const served = await holdfast.accessToken("github");
    // What is on the disk at this moment is what a crash would leave.
    const copy = copyDirectory(holdfast.config.data_dir);
    const again = await crashedServer(holdfast, copy);
    expect(await again.accessToken("github")).toBe(served);
    expect(await again.row("github")).toMatchObject({ generation: 2, intent_at: null });
    expect(again.log).toContainEqual(expect.objectContaining({ event: "refresh_replayed" }));
    expect(holdfast.refreshes()).toHaveLength(1);
    broken.mockRestore();
  });

  it("does not let one damaged spill record keep the server from starting", async () => {
    const { holdfast } = await connected("github");
    await holdfast.clock.jump(9 * HOUR);
    const broken = vi.spyOn(holdfast.installation.store, "transaction");
    broken.mockRejectedValue(new ApiError("database_unavailable"));
    await holdfast.accessToken("github");
    const copy = copyDirectory(holdfast.config.data_dir);
    const database = new Database(join(copy, "holdfast.db"));
    database
      .prepare("update data_keys set wrapped = zeroblob(length(wrapped)) where scope = ?")
      .run(holdfast.app.app_id);
    database.close();
    const again = await crashedServer(holdfast, copy);
    expect((await again.request("GET", "/readyz")).status).toBe(200);
    broken.mockRestore();
  });

  /** A connection that was refreshed, in a database that knows nothing of it: the copy that took over. */
  async function failedOver(): Promise<{ holdfast: TestServer; newest: string }> {
    const { holdfast } = await connected("github");
    await holdfast.clock.jump(9 * HOUR);
    const before = await holdfast.row("github");
    const newest = await holdfast.accessToken("github");
    await holdfast.installation.store.transaction((tx) =>
      run(tx.db.updateTable("connections").set(CONNECTION.encode(before)).where("id", "=", before.id)),
    );
    holdfast.installation.cache.clear();
    return { holdfast, newest };
  }

  it("F20: commits once more what a fail-over lost, when the database is back", async () => {
    const { holdfast, newest } = await failedOver();
    await holdfast.installation.refresher.repair();
    expect(await holdfast.row("github")).toMatchObject({ generation: 2, intent_at: null });
    expect(await holdfast.accessToken("github")).toBe(newest);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("F20: does not send a single-use token that it has the answer for", async () => {
    const { holdfast, newest } = await failedOver();
    expect(await holdfast.accessToken("github")).toBe(newest);
    expect(await holdfast.row("github")).toMatchObject({ generation: 2, intent_at: null, lease_until: null });
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(holdfast.simulator.ledger().families_revoked).toEqual([]);
  });

  it("sends nothing when the claim cannot be stored", async () => {
    const { holdfast } = await connected("github");
    await holdfast.clock.jump(9 * HOUR);
    vi.spyOn(holdfast.installation.store, "claimRefresh").mockRejectedValue(new ApiError("storage_full"));
    expect((await holdfast.token("github")).code).toBe("storage_full");
    expect(holdfast.refreshes()).toHaveLength(0);
  });
});

describe("after a crash between claim and answer", () => {
  /** A row as a process leaves it that died with a refresh on the wire. */
  async function crashed(integration_type: "googlecalendar" | "github") {
    const { holdfast } = await connected(integration_type);
    await holdfast.clock.jump(9 * HOUR);
    const row = await holdfast.row(integration_type);
    const claim = await holdfast.installation.store.claimRefresh({
      id: row.id,
      generation: row.generation,
      owner: "node_dead",
      lease_ms: 90 * SECOND,
      urgency: { kind: "background" },
      resend_ms: null,
      holder_wait_ms: 0,
      dead_owner: null,
    });
    expect(claim.kind).toBe("claimed");
    return holdfast.restart();
  }

  it("takes up the intent of a dead owner at once where sending twice does no harm", async () => {
    const holdfast = await crashed("googlecalendar");
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ generation: 2, intent_at: null, lease_until: null });
  });

  it("waits for the lease of a single-use token, then sends exactly once", async () => {
    const holdfast = await crashed("github");
    await holdfast.server.sweeper.tick();
    const pending = await holdfast.token("github");
    expect([pending.status, pending.code, pending.headers.get("retry-after")]).toEqual([503, "refresh_pending", "90"]);
    await holdfast.clock.jump(89 * SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(0);
    await holdfast.clock.jump(SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    expect((await holdfast.token("github")).status).toBe(200);
    expect(await holdfast.row("github")).toMatchObject({ status: "active", intent_at: null });
  });
});

describe("while another node holds the lease", () => {
  /** Expired, and being refreshed by a node of that name. */
  async function leased(integration_type: "googlecalendar" | "github", alive: boolean) {
    const { holdfast } = await connected(integration_type);
    const { store } = holdfast.installation;
    // On SQLite no other node can be alive.
    if (alive) vi.spyOn(store, "ownerIsDead").mockResolvedValue(false);
    await holdfast.clock.jump(9 * HOUR);
    const { id, generation } = await holdfast.row(integration_type);
    const urgency = { kind: "background" } as const;
    const rest = { resend_ms: null, holder_wait_ms: 0, dead_owner: null };
    await store.claimRefresh({ id, generation, owner: "node_other", lease_ms: 90 * SECOND, urgency, ...rest });
    return { holdfast, store, id };
  }

  it("waits for that node, and sends itself when it gave up", async () => {
    const { holdfast, store, id } = await leased("github", true);
    const replies = many(20, () => holdfast.token("github"));
    await until("the readers look again and again", async () => {
      await holdfast.clock.advance(SECOND / 10);
      return vi.mocked(store.ownerIsDead).mock.calls.length > 0;
    });
    expect(holdfast.refreshes()).toHaveLength(0);
    await store.releaseLease(id, "node_other", null);
    await holdfast.clock.advance(SECOND);
    expect((await replies).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("waits five minutes for a stopped node's answer to a single-use token, then sends once", async () => {
    const { holdfast } = await leased("github", true);
    await holdfast.clock.jump(90 * SECOND);
    await holdfast.server.sweeper.tick();
    await holdfast.clock.jump(5 * MINUTE - SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(0);
    // What a sweeper looked at without result it leaves alone for a moment.
    await holdfast.clock.jump(SECOND + 10 * SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    expect(await holdfast.row("github")).toMatchObject({ status: "active", generation: 2 });
  });

  it("does not wait longer than the lease for a stopped node where sending twice does no harm", async () => {
    const { holdfast } = await leased("googlecalendar", true);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(0);
    await holdfast.clock.jump(90 * SECOND);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("tells readers to come back when that node takes longer than they may wait", async () => {
    const { holdfast } = await leased("github", true);
    const state = { code: "" };
    const reply = holdfast.token("github").then(({ code }) => (state.code = String(code)));
    await until("the reader is answered", async () => {
      await holdfast.clock.advance(SECOND / 10);
      return state.code !== "";
    });
    expect(await reply).toBe("refresh_pending");
    expect(holdfast.refreshes()).toHaveLength(0);
  });

  it("does not wait for a dead one where sending twice does no harm, nor sends where it does", async () => {
    const harmless = await leased("googlecalendar", false);
    expect((await harmless.holdfast.token("googlecalendar")).status).toBe(200);
    const strict = await leased("github", false);
    expect(await strict.holdfast.token("github")).toMatchObject({ status: 503, code: "refresh_pending" });
    expect(strict.holdfast.refreshes()).toHaveLength(0);
  });
});

describe("stopping", () => {
  it("lets a refresh in flight finish and stores its answer", async () => {
    const { holdfast } = await connected("github", ["slow-5s"]);
    await holdfast.clock.jump(9 * HOUR);
    const row = await holdfast.row("github");
    const running = holdfast.installation.refresher.refresh(row, "background");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    const stopped = holdfast.server.close();
    await holdfast.clock.advance(5 * SECOND);
    await stopped;
    expect(await running).toMatchObject({ kind: "current", row: { generation: 2 } });
  });

  it("answers the requests that are under way, and does not wait for clients to hang up", async () => {
    const { holdfast } = await connected("googlecalendar", ["slow-5s"]);
    await holdfast.clock.jump(2 * HOUR);
    const asked = holdfast.token("googlecalendar");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    const stopped = holdfast.server.close();
    await holdfast.clock.advance(5 * SECOND);
    const reply = await asked;
    expect([reply.status, reply.headers.get("connection")]).toEqual([200, "close"]);
    await stopped;
  });
});

/** Another process over a copy of the files, after the first one died. */
function crashedServer({ app, clock, simulator }: TestServer, data_dir: string): Promise<TestServer> {
  return startTestServer({ app, clock, simulator, data_dir });
}

/** The files of a data directory as they are now; deleted when the test ends. */
function copyDirectory(from: string): string {
  const to = mkdtempSync(join(tmpdir(), "holdfast-crash-"));
  onTestFinished(() => rmSync(to, { recursive: true, force: true }));
  for (const name of readdirSync(from)) if (name !== "serve.lock") copyFileSync(join(from, name), join(to, name));
  return to;
}
