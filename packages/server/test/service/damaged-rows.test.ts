import { expect, it } from "vitest";
import { run } from "../../src/store/operation.ts";
import type { ConnectionsTable } from "../../src/store/tables.ts";
import { HOUR } from "../support/clock.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

async function damaged(columns: Partial<ConnectionsTable>): Promise<TestServer> {
  const holdfast = await startTestServer();
  await holdfast.connect("github");
  await holdfast.connect("slack");
  const { id } = await holdfast.row("github");
  await holdfast.installation.store.transaction((tx) =>
    run(tx.db.updateTable("connections").set(columns).where("id", "=", id)),
  );
  holdfast.installation.cache.clear();
  return holdfast;
}

const list = ({ installation, app }: TestServer) => installation.connections.list(app.app_id);

it("a connection whose config cannot be read serves no token, and names the page that replaces it", async () => {
  const holdfast = await damaged({ config: '{"a":' });
  const reply = await holdfast.token("github");
  expect([reply.status, reply.code]).toEqual([500, "credential_unreadable"]);
  expect(reply.json["extra_data"]).toMatchObject({
    reconnect_url: `${holdfast.config.public_url}/apps/${holdfast.app.app_id}/connect/github`,
  });
  expect((await holdfast.token("slack")).status).toBe(200);
  expect(await list(holdfast)).toMatchObject([{ integration_type: "github" }, { integration_type: "slack" }]);
});

it("a connection whose config cannot be read is not refreshed, and leaves no intent open", async () => {
  const holdfast = await damaged({ config: '{"a":' });
  await holdfast.clock.jump(9 * HOUR);
  await holdfast.server.sweeper.tick();
  expect(holdfast.refreshes().filter(({ host }) => host === "github.com")).toEqual([]);
  expect(await holdfast.row("github")).toMatchObject({ intent_at: null, lease_owner: null, status: "active" });
});

it("a connection whose config cannot be read can be connected again, and be removed", async () => {
  const holdfast = await damaged({ config: '{"a":' });
  await holdfast.connect("github");
  expect((await holdfast.token("github")).status).toBe(200);
  await holdfast.installation.store.transaction((tx) =>
    run(tx.db.updateTable("connections").set({ config: "no JSON" }).where("integration_type", "=", "github")),
  );
  await holdfast.installation.connections.remove(holdfast.app.app_id, "github");
  expect(await list(holdfast)).toMatchObject([{ integration_type: "slack" }]);
});

it("a connection whose granted scopes cannot be read is served, and lists them as missing", async () => {
  const holdfast = await damaged({ scopes_granted: "no list" });
  const { scopes_requested } = await holdfast.row("github");
  expect((await holdfast.token("github")).status).toBe(200);
  expect(await list(holdfast)).toMatchObject([
    { integration_type: "github", missing_scopes: scopes_requested },
    { integration_type: "slack", missing_scopes: [] },
  ]);
});
