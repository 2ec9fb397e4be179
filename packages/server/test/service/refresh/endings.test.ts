import { describe, expect, it } from "vitest";
import { Secret } from "../../../src/core/secret.ts";
import { HOUR, MINUTE, SECOND, until } from "../../support/clock.ts";
import { startTestServer } from "../../support/server.ts";
import { connected, many } from "./support.ts";

describe("a connection that was revoked at the provider", () => {
  async function revoked(integration_type: "googlecalendar" | "github") {
    const { holdfast } = await connected(integration_type);
    holdfast.simulator.revokeGrants({});
    await holdfast.clock.jump(9 * HOUR);
    return { holdfast, reply: await holdfast.token(integration_type) };
  }

  it.for(["googlecalendar", "github"] as const)(
    "returns who must act, and where, at the first read: %s",
    async (type) => {
      const { holdfast, reply } = await revoked(type);
      expect([reply.status, reply.code, reply.json["retryable"]]).toEqual([409, "connection_expired", false]);
      expect(reply.extra).toEqual({
        who_must_act: "builder",
        reason: "revoked",
        reconnect_url: `${holdfast.config.public_url}/apps/${holdfast.app.app_id}/connect/${type}`,
      });
      expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
      const list = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`);
      expect(list.json["integrations"]).toMatchObject([
        { integration_type: type, status: "expired", reason: "revoked" },
      ]);
    },
  );

  it("causes at most one more request in a thousand reads, and one event", async () => {
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

  it("recovers if the one confirming request succeeds", async () => {
    const holdfast = await startTestServer();
    holdfast.simulator.setLifetimes({ refresh_token_s: 10 * 3600 });
    await holdfast.connect("googlecalendar");
    await holdfast.clock.jump(2 * HOUR);
    // A provider whose clock is wrong refuses a token for a while, and accepts it later.
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

  it("is active again after a new consent", async () => {
    const { holdfast } = await revoked("github");
    await holdfast.connect("github");
    expect((await holdfast.token("github")).status).toBe(200);
    expect(await holdfast.row("github")).toMatchObject({ status: "active", reason: null, confirm_at: null });
  });
});

describe("a rejected OAuth client", () => {
  it("pauses its connections, ends none, and works again once the right secret is set", async () => {
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

  it("does not let a late response revive a connection whose client was replaced", async () => {
    const { holdfast } = await connected("googlecalendar", ["slow-5s"]);
    await holdfast.clock.jump(2 * HOUR);
    const pending = holdfast.token("googlecalendar");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.setClient("googlecalendar", [], "other");
    await holdfast.clock.advance(5 * SECOND);
    expect((await pending).code).toBe("connection_expired");
    expect(await holdfast.row("googlecalendar")).toMatchObject({ status: "expired", reason: "client_changed" });
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
  });
});

describe("a token that its API rejected", () => {
  it("is replaced once, and a second rejection within a minute is refresh_too_soon", async () => {
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

  it("causes no request if the rejected token is an older one", async () => {
    const { holdfast, first } = await connected("googlecalendar");
    await holdfast.token("googlecalendar", { rejected: first });
    const replies = await many(50, () => holdfast.token("googlecalendar", { rejected: first }));
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect(holdfast.refreshes()).toHaveLength(1);
  });

  it("ends a connection without a refresh token only if the provider confirms the rejection", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("slack");
    const token = await holdfast.accessToken("slack");
    expect((await holdfast.token("slack", { rejected: token })).json["access_token"]).toBe(token);
    holdfast.simulator.revokeGrants({});
    const dead = await holdfast.token("slack", { rejected: token });
    expect([dead.code, dead.extra["reason"]]).toEqual(["connection_expired", "rejected_by_api"]);
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
  });

  it("ends the connection when it expires without a refresh token", async () => {
    const holdfast = await startTestServer();
    await holdfast.setClient("googlecalendar", ["no-refresh-token"]);
    await holdfast.connect("googlecalendar");
    await holdfast.clock.jump(2 * HOUR);
    const reply = await holdfast.token("googlecalendar");
    expect([reply.code, reply.extra["reason"]]).toEqual(["connection_expired", "no_refresh_token"]);
    await many(5, () => holdfast.token("googlecalendar"));
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
  });
});
