import { describe, expect, it } from "vitest";
import { run } from "../../../src/store/operation.ts";
import { HOUR, SECOND, until } from "../../support/clock.ts";
import { startTestServer, type TestServer } from "../../support/server.ts";
import { connected } from "./support.ts";

describe("while a refresh is in flight", () => {
  async function inFlight(): Promise<{ holdfast: TestServer; pending: ReturnType<TestServer["token"]> }> {
    const { holdfast } = await connected("github", ["slow-5s"]);
    await holdfast.clock.jump(9 * HOUR);
    const pending = holdfast.token("github");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    return { holdfast, pending };
  }

  it("lets a new consent win over the late response", async () => {
    const { holdfast, pending } = await inFlight();
    await holdfast.connect("github", { account: "bob" });
    const { generation, rt_fp } = await holdfast.row("github");
    const fresh = await holdfast.accessToken("github");
    await holdfast.clock.advance(5 * SECOND);
    expect((await pending).json["access_token"]).toBe(fresh);
    expect(await holdfast.row("github")).toMatchObject({ generation, rt_fp, account_label: "bob" });
    expect(await holdfast.accessToken("github")).toBe(fresh);
  });

  it("stores nothing after a disconnect", async () => {
    const { holdfast, pending } = await inFlight();
    await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/github`);
    await holdfast.clock.advance(5 * SECOND);
    expect((await pending).code).toBe("connection_disconnected");
    expect(await holdfast.row("github")).toMatchObject({
      status: "disconnected",
      sealed_access: null,
      sealed_refresh: null,
    });
  });

  it("F56: revokes tokens at the provider that arrive after a disconnect", async () => {
    const holdfast = await startTestServer();
    await holdfast.setClient("box", ["rotate", "slow-5s"]);
    await holdfast.connect("box");
    await holdfast.clock.jump(9 * HOUR);
    const pending = holdfast.token("box");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/box`);
    await holdfast.clock.advance(5 * SECOND);
    expect((await pending).code).toBe("connection_disconnected");
    await holdfast.server.sweeper.tick();
    const tokens = Object.values(holdfast.simulator.ledger().refresh_tokens).map(({ status }) => status);
    expect(tokens).toHaveLength(2);
    expect(tokens).not.toContain("current");
  });

  it("keeps settings that a builder changes meanwhile", async () => {
    const { holdfast, pending } = await inFlight();
    const { id } = await holdfast.row("github");
    await holdfast.installation.store.transaction((tx) =>
      run(tx.db.updateTable("connections").set({ config: '{"team":"blue"}' }).where("id", "=", id)),
    );
    await holdfast.clock.advance(5 * SECOND);
    expect((await pending).status).toBe(200);
    expect(await holdfast.row("github")).toMatchObject({ generation: 2, config: { team: "blue" } });
  });

  it("stores nothing after a removal", async () => {
    const { holdfast, pending } = await inFlight();
    await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/github/remove`);
    await holdfast.clock.advance(5 * SECOND);
    expect((await pending).code).toBe("not_connected");
    expect(await holdfast.installation.store.listConnections(holdfast.app.app_id)).toEqual([]);
  });

  it("stores nothing after the app was deleted", async () => {
    const { holdfast, pending } = await inFlight();
    await holdfast.manage("DELETE", `/api/management/apps/${holdfast.app.app_id}`);
    await holdfast.clock.advance(5 * SECOND);
    expect((await pending).status).toBe(404);
    expect(await holdfast.installation.store.listConnections(holdfast.app.app_id)).toEqual([]);
    const scopes = (await holdfast.installation.store.listDataKeys()).map(({ scope }) => scope);
    expect(scopes).not.toContain(holdfast.app.app_id);
  });
});

describe("a server that stops", () => {
  it("lets a refresh in flight finish and stores its response", async () => {
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

  it("completes running requests, and does not wait for clients to close their connections", async () => {
    const { holdfast } = await connected("googlecalendar", ["slow-5s"]);
    await holdfast.clock.jump(2 * HOUR);
    const pending = holdfast.token("googlecalendar");
    await until("the refresh is sent", () => holdfast.refreshes().length === 1);
    const stopped = holdfast.server.close();
    await holdfast.clock.advance(5 * SECOND);
    const reply = await pending;
    expect([reply.status, reply.headers.get("connection")]).toEqual([200, "close"]);
    await stopped;
  });
});
