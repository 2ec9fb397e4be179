/** Governance, app profiles, and consents that wait for a decision. */
import { describe, expect, it } from "vitest";
import { newAppId, newWorkspaceId } from "../../src/core/ids.ts";
import type { AppId, WorkspaceId } from "../../src/core/types.ts";
import { deleteApp } from "../../src/store/queries/apps.ts";
import { deleteConnection, putConnection } from "../../src/store/queries/connections.ts";
import { finishFlow, holdFlow } from "../../src/store/queries/flows.ts";
import type { Store } from "../../src/store/store.ts";
import { bytes, consented, flowOf, present, startOf, stored } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

const switches = (workspace_id: WorkspaceId, integration_type: string, builder: boolean) => ({
  workspace_id,
  integration_type,
  builder_connection_enabled: builder,
  per_user_connection_enabled: true,
});

async function appIn(store: Store, workspace_id: WorkspaceId): Promise<AppId> {
  const id = newAppId();
  await store.transaction(async (tx) => {
    const app = { id, workspace_id, name: id, created_at: tx.now, functions_enabled: 1, updated_at: tx.now };
    tx.invalidates("apps", id);
    await tx.db.insertInto("apps").values(app).execute();
  });
  return id;
}

export function describeGovernance(open: OpenStores): void {
  describe("governance", () => {
    it("blocks and unblocks connections of this workspace and service only", async () => {
      const { store } = await open();
      const [workspace, other] = [newWorkspaceId(), newWorkspaceId()];
      const mine = await stored(store, { app_id: await appIn(store, workspace) });
      const another_service = await stored(store, { app_id: mine.app_id, integration_type: "github" });
      const elsewhere = await stored(store, { app_id: await appIn(store, other) });
      await store.putGovernance(switches(workspace, "slack", false));
      const blocked = async () =>
        Promise.all(
          [mine, another_service, elsewhere].map(async ({ id }) => (await present(store, id)).blocked_at !== null),
        );
      expect(await blocked()).toEqual([true, false, false]);
      expect(await store.getGovernance(workspace, "slack")).toMatchObject({ builder_connection_enabled: false });
      await store.putGovernance(switches(workspace, "slack", true));
      expect(await blocked()).toEqual([false, false, false]);
      expect(await store.listGovernance(workspace)).toHaveLength(1);
      expect(await store.listGovernance(other)).toEqual([]);
    });

    it("blocks connections that are made later, new ones and replaced ones", async () => {
      const { store } = await open();
      const workspace = newWorkspaceId();
      const app_id = await appIn(store, workspace);
      await store.putGovernance(switches(workspace, "slack", false));
      const row = await stored(store, { app_id });
      expect(row.blocked_at).not.toBeNull();
      const again = consented({ app_id, id: row.id, generation: 2 });
      expect(await store.transaction((tx) => putConnection(tx, again, row))).toBe(true);
      expect((await present(store, row.id)).blocked_at).not.toBeNull();
      await store.putGovernance(switches(workspace, "slack", true));
      await store.transaction((tx) => deleteConnection(tx, row.id));
      expect((await stored(store, { app_id })).blocked_at).toBeNull();
    });
  });

  describe("an app's profile", () => {
    it("changes only the given fields, and is deleted with the app", async () => {
      const { store } = await open();
      const app_id = await appIn(store, newWorkspaceId());
      await store.putAppProfile({ app_id, user_description: null, public_settings: null });
      await store.putAppProfile({ app_id, user_description: "sells", public_settings: null });
      await store.putAppProfile({ app_id, user_description: null, public_settings: "private_with_login" });
      await store.putAppProfile({ app_id, user_description: null, public_settings: null });
      const kept = { app_id, user_description: "sells", public_settings: "private_with_login" };
      expect(await store.listAppProfiles([app_id, newAppId()])).toEqual([kept]);
      await store.transaction((tx) => deleteApp(tx, app_id));
      expect(await store.listAppProfiles([app_id])).toEqual([]);
      expect(await store.listAppProfiles([])).toEqual([]);
    });
  });

  describe("a consent that waits for a decision", () => {
    it("is held only between consuming and finishing, and erased when it is finished", async () => {
      const { store } = await open();
      const app_id = await appIn(store, newWorkspaceId());
      const flow = flowOf({ app_id });
      const hold = () => store.transaction((tx) => holdFlow(tx, flow.id, bytes(7), 1_000));
      await store.createFlow(flow, { ttl_ms: 600_000, pending: 20 });
      expect(await hold()).toBe(false);
      await store.startFlow(flow.id, startOf(flow.id));
      await store.consumeFlow(flow.id);
      expect(await hold()).toBe(true);
      expect(Buffer.from((await store.getFlow(flow.id))?.sealed_request ?? [])).toEqual(Buffer.from(bytes(7)));
      await store.transaction((tx) => finishFlow(tx, flow.id, "account_changed", null));
      expect((await store.getFlow(flow.id))?.sealed_request).toBeNull();
      expect(await hold()).toBe(false);
    });
  });
}
