import { describe, expect, it, vi } from "vitest";
import { HOUR, MINUTE, SECOND, until } from "../../support/clock.ts";
import { startTestServer } from "../../support/server.ts";
import { connected, many } from "./support.ts";

/**
 * A type, the modes that make its tokens expire and rotate, and a time after which they have
 * expired.
 */
const SERVICES = [
  ["googlecalendar", [], 2 * HOUR],
  ["salesforce", ["rotate"], 3 * HOUR],
  ["slack", ["rotate"], 13 * HOUR],
  ["slackbot", ["rotate"], 13 * HOUR],
  ["github", ["rotate"], 9 * HOUR],
  // The expiry is unknown. Only a rejected token is a reason to refresh.
  ["notion", [], null],
] as const;

describe("many callers, one refresh", () => {
  it.for(SERVICES)("serves the same new token to 200 callers of %s", async ([type, modes, age_ms]) => {
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

  it("lets all callers wait for a response that takes ten seconds", async () => {
    const { holdfast, first } = await connected("github", ["slow-10s"]);
    await holdfast.clock.jump(9 * HOUR);
    const pending = many(200, () => holdfast.token("github"));
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(10 * SECOND);
    const replies = await pending;
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(replies.map(({ json }) => json["access_token"])).size).toBe(1);
    expect(replies[0]?.json["access_token"]).not.toBe(first);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("returns Retry-After if the response takes longer than readers wait, and keeps the response", async () => {
    const { holdfast } = await connected("github", ["slow-30s"]);
    await holdfast.clock.jump(9 * HOUR);
    const pending = holdfast.token("github");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(15 * SECOND);
    const late = await pending;
    expect([late.status, late.code, late.headers.get("retry-after")]).toEqual([503, "provider_unavailable", "1"]);
    await holdfast.clock.advance(15 * SECOND);
    expect((await holdfast.token("github")).status).toBe(200);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("rejects more waiters than the limit", async () => {
    const { holdfast } = await connected("googlecalendar", ["slow-5s"], { limits: { waiters_per_connection: 3 } });
    await holdfast.clock.jump(2 * HOUR);
    const pending = many(10, () => holdfast.token("googlecalendar"));
    await until("the others are rejected", () => holdfast.log.filter(({ status }) => status === 503).length === 6);
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(5 * SECOND);
    const codes = (await pending).map(({ status, code }) => code ?? status);
    expect(codes.filter((code) => code === 200)).toHaveLength(4);
    expect(codes.filter((code) => code === "refresh_busy")).toHaveLength(6);
  });
});

describe("before the token expires", () => {
  it("serves the old token while it refreshes in the background", async () => {
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

  it("does not let readers of an aging token wait for a slow refresh", async () => {
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

  it("does not use the database for readers of an aging token before the next attempt is due", async () => {
    const { holdfast, first } = await connected("googlecalendar", ["500"]);
    await holdfast.clock.jump(54 * MINUTE);
    await holdfast.token("googlecalendar");
    await until("the attempt has failed", async () => (await holdfast.row("googlecalendar")).failures === 1);
    const claims = vi.spyOn(holdfast.installation.store, "claimRefresh");
    const replies = await many(50, () => holdfast.token("googlecalendar"));
    expect(new Set(replies.map(({ json }) => json["access_token"]))).toEqual(new Set([first]));
    expect(claims).not.toHaveBeenCalled();
  });

  it("waits two seconds for a new token in the last minutes, then serves the old one", async () => {
    const { holdfast, first } = await connected("googlecalendar", ["slow-5s"]);
    await holdfast.clock.jump(57 * MINUTE);
    const pending = holdfast.token("googlecalendar");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(2 * SECOND);
    expect((await pending).json["access_token"]).toBe(first);
    await holdfast.clock.advance(3 * SECOND);
    await until("the new token is stored", async () => (await holdfast.row("googlecalendar")).generation === 2);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("serves the same token while the provider is down, as long as it works", async () => {
    const { holdfast, first } = await connected("googlecalendar");
    holdfast.simulator.setModes({ modes: ["outage"] });
    await holdfast.clock.jump(50 * MINUTE);
    expect(await holdfast.accessToken("googlecalendar")).toBe(first);
    await holdfast.clock.jump(9 * MINUTE);
    expect(await holdfast.accessToken("googlecalendar")).toBe(first);
  });

  it("returns 503 with Retry-After once it has expired, and 200 one second after the provider is back", async () => {
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

  it("does the same if the provider's address refuses connections", async () => {
    const { holdfast } = await connected("googlecalendar");
    await holdfast.simulator.close();
    await holdfast.clock.jump(HOUR);
    const down = await holdfast.token("googlecalendar");
    expect([down.status, down.code]).toEqual([503, "provider_unavailable"]);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ fail_class: "not_sent", intent_at: null });
  });

  it("sends a failing provider at most one request a second, for any number of readers", async () => {
    const { holdfast } = await connected("googlecalendar", ["500"]);
    await holdfast.clock.jump(2 * HOUR);
    for (let second = 0; second < 5; second += 1) {
      await many(20, () => holdfast.token("googlecalendar"));
      await holdfast.clock.advance(SECOND);
    }
    expect(holdfast.refreshes().length).toBeGreaterThanOrEqual(4);
    expect(holdfast.refreshes().length).toBeLessThanOrEqual(5);
  });

  it("refreshes tokens in the sweeper, before a reader comes", async () => {
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
