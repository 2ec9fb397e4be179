/** Disconnecting and removing a connection, and the revocation at the provider. */
import { createHash } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { HOUR, MINUTE } from "../support/clock.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { audited, externalAuth, listed, ready, startWithClient } from "./stage.ts";

describe("ending a connection", () => {
  const base = (holdfast: TestServer) => `${externalAuth(holdfast)}/integrations`;

  it("by disconnect keeps the entry with its scopes, refuses reads at once, and revokes at the provider", async () => {
    const { holdfast } = await ready("github", ["rotate"]);
    await holdfast.connect("github", { declared: ["repo"] });
    const token = await holdfast.accessToken("github");
    const done = await holdfast.manage("DELETE", `${base(holdfast)}/github`);
    expect([done.status, done.json]).toEqual([200, { status: "disconnected", integration_type: "github" }]);
    expect((await holdfast.token("github")).code).toBe("connection_disconnected");
    expect(await listed(holdfast)).toMatchObject([{ status: "disconnected", scopes: ["repo"] }]);
    await holdfast.server.sweeper.tick();
    const ledger = holdfast.simulator.ledger();
    expect(ledger.requests.filter(({ kind }) => kind === "revoke")).toMatchObject([{ outcome: "ok" }]);
    const hash = createHash("sha256").update(token).digest("hex");
    expect(ledger.access_tokens[hash]).toMatchObject({ status: "revoked" });
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.disconnected"]);
  });

  it("by disconnect is not undone by a read that began before it", async () => {
    const { holdfast } = await ready("slack");
    await holdfast.connect("slack");
    const { store } = holdfast.installation;
    const find = store.findConnection;
    vi.spyOn(store, "findConnection").mockImplementationOnce(async (...asked) => {
      const row = await find(...asked);
      await holdfast.manage("DELETE", `${base(holdfast)}/slack`);
      return row;
    });
    await holdfast.token("slack");
    expect((await holdfast.token("slack")).code).toBe("connection_disconnected");
  });

  it("by remove leaves nothing, succeeds twice, and revokes at the provider", async () => {
    const { holdfast } = await ready();
    await holdfast.connect("googlecalendar");
    for (let time = 0; time < 2; time += 1) {
      const done = await holdfast.manage("DELETE", `${base(holdfast)}/googlecalendar/remove`);
      expect([done.status, done.json]).toEqual([200, { status: "removed", integration_type: "googlecalendar" }]);
    }
    expect(await listed(holdfast)).toEqual([]);
    const gone = await holdfast.token("googlecalendar");
    expect([gone.status, gone.code]).toEqual([404, "not_connected"]);
    await holdfast.server.sweeper.tick();
    expect(holdfast.simulator.ledger().grants).toMatchObject([{ revoked_by: "client" }]);
  });

  it("retries a revocation while the provider is down, and deletes the tokens afterwards", async () => {
    const { holdfast } = await ready();
    await holdfast.connect("googlecalendar");
    holdfast.simulator.setModes({ modes: ["outage-503"] });
    await holdfast.manage("DELETE", `${base(holdfast)}/googlecalendar`);
    await holdfast.server.sweeper.tick();
    holdfast.simulator.setModes({ modes: [] });
    await holdfast.clock.jump(MINUTE);
    await holdfast.server.sweeper.tick();
    expect(holdfast.simulator.ledger().grants).toMatchObject([{ revoked_by: "client" }]);
    const items = await holdfast.installation.store.listOutbox(holdfast.app.app_id, "revoke");
    expect(items).toMatchObject([{ sealed: null }]);
  });

  it("revokes nothing when that would end another app's connection of the same account", async () => {
    const { holdfast } = await ready();
    const other = await holdfast.createApp("other");
    await holdfast.connect("googlecalendar");
    await holdfast.connect("googlecalendar", { app: other });
    await holdfast.manage("DELETE", `${base(holdfast)}/googlecalendar`);
    await holdfast.server.sweeper.tick();
    expect(holdfast.simulator.ledger().requests.filter(({ kind }) => kind === "revoke")).toEqual([]);
    expect((await holdfast.token("googlecalendar", { app: other })).status).toBe(200);
  });

  it("lists nothing before the first consent, and omits an unknown email address", async () => {
    const { holdfast } = await ready("slack");
    await holdfast.initiate("slack", { scopes: ["chat:write"] });
    expect(await listed(holdfast)).toEqual([]);
    await holdfast.connect("slack", { declared: ["chat:write"] });
    expect(await listed(holdfast)).toEqual([expect.not.objectContaining({ user_email: expect.anything() })]);
    expect(JSON.stringify(await listed(holdfast))).not.toContain("user_email");
  });
});

describe("receipts of revocations", () => {
  async function disconnect(holdfast: TestServer, type: string): Promise<readonly string[]> {
    await holdfast.manage("DELETE", `${externalAuth(holdfast)}/integrations/${type}`);
    await holdfast.server.sweeper.tick();
    return audited(holdfast, "revocation.");
  }

  it("say that tokens were revoked", async () => {
    const holdfast = await startWithClient("googlecalendar");
    await holdfast.connect("googlecalendar");
    expect(await disconnect(holdfast, "googlecalendar")).toEqual(["revocation.revoked"]);
  });

  it("say that the provider has no revocation endpoint", async () => {
    const holdfast = await startTestServer();
    const without = holdfast.installation.catalog.all().find(({ id, revocation }) => revocation.kind === "none" && id);
    if (without === undefined) throw new Error("Every service revokes.");
    await holdfast.setClient(without.id);
    await holdfast.connect(without.id);
    expect(await disconnect(holdfast, without.id)).toEqual(["revocation.unsupported"]);
  });

  it("say that tokens were kept, because a revocation would have ended another connection of the account", async () => {
    const holdfast = await startWithClient("googlecalendar");
    const other = await holdfast.createApp("other");
    await holdfast.connect("googlecalendar");
    await holdfast.connect("googlecalendar", { app: other });
    expect(await disconnect(holdfast, "googlecalendar")).toEqual(["revocation.kept"]);
  });

  it("say that tokens were kept for an account that was connected again before the revocation was sent", async () => {
    const holdfast = await startWithClient("googlecalendar");
    await holdfast.connect("googlecalendar");
    await holdfast.manage("DELETE", `${externalAuth(holdfast)}/integrations/googlecalendar`);
    await holdfast.connect("googlecalendar");
    await holdfast.server.sweeper.tick();
    expect(await audited(holdfast, "revocation.")).toEqual(["revocation.kept"]);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
  });

  it("say that the revocation failed after the provider was down for a day", async () => {
    const holdfast = await startWithClient("googlecalendar");
    await holdfast.connect("googlecalendar");
    holdfast.simulator.setModes({ modes: ["outage-503"] });
    expect(await disconnect(holdfast, "googlecalendar")).toEqual([]);
    await holdfast.clock.jump(25 * HOUR);
    await holdfast.server.sweeper.tick();
    expect(await audited(holdfast, "revocation.")).toEqual(["revocation.failed"]);
  });
});
