/** Apps, OAuth clients, service tokens, API keys and setup links. */
import { describe, expect, it } from "vitest";
import { newAppId, newOAuthClientId, newUserId, newWorkspaceId } from "../../src/core/ids.ts";
import { plus, type AppId, type Instant, type WorkspaceId } from "../../src/core/types.ts";
import { deleteApp, removeConnector } from "../../src/store/queries/apps.ts";
import { deleteClient, insertClient, replaceSecret } from "../../src/store/queries/clients.ts";
import type { Store } from "../../src/store/store.ts";
import { appOf, bytes, flowOf, stored } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

const token = (store: Store, app_id: AppId, id: string, expires_at: Instant | null = null) =>
  store.createServiceToken({ app_id, id, name: id, digest: bytes(4), expires_at }, 2);

const keyOf = (workspace_id: WorkspaceId) => ({
  id: "key",
  workspace_id,
  user_id: null,
  scope: "write" as const,
  name: "mine",
  digest: bytes(8),
  expires_at: null,
});

export function describeCredentials(open: OpenStores): void {
  describe("apps", () => {
    it("have unique names in a workspace", async () => {
      const { store } = await open();
      const app = await appOf(store, "shop");
      expect(await store.createApp({ ...app, id: newAppId() })).toBe(false);
      expect(await store.getApp(app.id)).toMatchObject({ name: "shop" });
      expect(await store.getApp(newAppId())).toBeNull();
      await appOf(store, "blog");
      expect((await store.listApps()).map(({ name }) => name).toSorted()).toEqual(["blog", "shop"]);
    });

    it("declare a connector once per service, with the latest scopes", async () => {
      const { store } = await open();
      const { id } = await appOf(store);
      await store.declareConnector(id, "slack", ["a"]);
      await store.declareConnector(id, "slack", ["b"]);
      expect(await store.listConnectors(id)).toMatchObject([{ integration_type: "slack", scopes: ["b"] }]);
      await store.transaction((tx) => removeConnector(tx, id, "slack"));
      expect(await store.listConnectors(id)).toEqual([]);
    });

    it("are deleted with everything they own, and nothing of others", async () => {
      const { store, now } = await open();
      const [mine, theirs] = [await appOf(store, "mine"), await appOf(store, "theirs")];
      for (const { id } of [mine, theirs]) {
        await stored(store, { app_id: id });
        await store.declareConnector(id, "slack", []);
        await token(store, id, `token of ${id}`);
        await store.createFlow(flowOf({ app_id: id }), { ttl_ms: 1_000, pending: 5 });
        const key = { dek_id: `dek of ${id}`, scope: id, kek_id: "kek", wrapped: bytes(5) };
        await store.insertDataKey({ ...key, encryptions: 0, created_at: now() }, null);
      }
      expect(await store.transaction((tx) => deleteApp(tx, mine.id))).toBe(true);
      expect(await store.transaction((tx) => deleteApp(tx, mine.id))).toBe(false);
      const owned = async (id: AppId) => [
        await store.getApp(id),
        await store.listConnections(id),
        await store.listConnectors(id),
        await store.listServiceTokens(id),
        await store.currentDataKey(id),
      ];
      expect(await owned(mine.id)).toEqual([null, [], [], [], null]);
      expect(
        (await owned(theirs.id)).filter((part) => part === null || (Array.isArray(part) && part.length === 0)),
      ).toEqual([]);
    });
  });

  describe("OAuth clients", () => {
    const client = (integration_type: string, workspace_id: ReturnType<typeof newWorkspaceId> | null) => ({
      id: newOAuthClientId(),
      workspace_id,
      integration_type,
      client_id: "id at the provider",
      sealed_secret: bytes(6),
      shared_callback: false,
    });

    it("of a workspace come before the installation's", async () => {
      const { store } = await open();
      const workspace = newWorkspaceId();
      const [own, shared] = [client("slack", workspace), client("slack", null)];
      await store.transaction((tx) => insertClient(tx, own));
      await store.transaction((tx) => insertClient(tx, shared));
      expect(await store.findClient(workspace, "slack")).toMatchObject({ id: own.id });
      expect(await store.findClient(newWorkspaceId(), "slack")).toMatchObject({ id: shared.id });
      expect(await store.installationClient("slack")).toMatchObject({ id: shared.id });
      expect(await store.findClient(workspace, "github")).toBeNull();
      expect(await store.installationClient("github")).toBeNull();
    });

    it("exist once per service for the installation", async () => {
      const { store } = await open();
      await store.transaction((tx) => insertClient(tx, client("slack", null)));
      await expect(store.transaction((tx) => insertClient(tx, client("slack", null)))).rejects.toBeInstanceOf(Error);
      expect(await store.listClients()).toHaveLength(1);
    });

    it("change their secret in place, and are deleted once", async () => {
      const { store, advance, now } = await open();
      const one = client("slack", null);
      await store.transaction((tx) => insertClient(tx, one));
      await advance(1_000);
      await store.transaction((tx) => replaceSecret(tx, one.id, { sealed_secret: bytes(7), shared_callback: true }));
      expect(await store.getClient(one.id)).toMatchObject({
        client_id: one.client_id,
        sealed_secret: bytes(7),
        shared_callback: true,
        updated_at: now(),
      });
      const remove = () => store.transaction((tx) => deleteClient(tx, one.id));
      expect([await remove(), await remove()]).toEqual([true, false]);
    });
  });

  describe("service tokens", () => {
    it("are limited in number, without revoked and expired ones", async () => {
      const { store, now, advance } = await open();
      const { id } = await appOf(store);
      expect(await token(store, id, "one", plus(now(), 60_000))).toBe(true);
      expect(await token(store, id, "two")).toBe(true);
      expect(await token(store, id, "three")).toBe(false);
      await advance(60_000);
      expect(await token(store, id, "three")).toBe(true);
      expect(await token(store, id, "four")).toBe(false);
      expect(await store.revokeServiceToken(id, "two")).toBe(true);
      expect(await token(store, id, "four")).toBe(true);
    });

    it("keep the limit when several are created at once", async () => {
      const { store, other } = await open();
      const { id } = await appOf(store);
      const made = await Promise.all(
        Array.from({ length: 10 }, (_, index) => token(index % 2 === 0 ? store : other, id, `t${index}`)),
      );
      expect(made.filter(Boolean)).toHaveLength(2);
    });

    it("are revoked once, and only by their app", async () => {
      const { store, now } = await open();
      const { id } = await appOf(store);
      await token(store, id, "one");
      expect(await store.revokeServiceToken(newAppId(), "one")).toBe(false);
      expect(await store.revokeServiceToken(id, "one")).toBe(true);
      expect(await store.revokeServiceToken(id, "one")).toBe(false);
      expect(await store.getServiceToken("one")).toMatchObject({ app_id: id, revoked_at: now() });
      expect(await store.getServiceToken("none")).toBeNull();
    });

    it("record their last use", async () => {
      const { store, now } = await open();
      const { id } = await appOf(store);
      await token(store, id, "one");
      await store.recordUse(new Map([["one", now()]]));
      expect((await store.listServiceTokens(id)).map(({ last_used_at }) => last_used_at)).toEqual([now()]);
    });

    it("are not API keys, and API keys are not service tokens", async () => {
      const { store } = await open();
      const { id, workspace_id } = await appOf(store);
      await token(store, id, "token");
      await store.createApiKey(keyOf(workspace_id));
      expect(await store.getApiKey("key")).toMatchObject({ workspace_id, revoked_at: null });
      expect([await store.getApiKey("token"), await store.getServiceToken("key")]).toEqual([null, null]);
    });
  });

  describe("API keys", () => {
    it("are listed by workspace, used, and revoked once", async () => {
      const { store, now } = await open();
      const { workspace_id } = await appOf(store);
      await store.createApiKey(keyOf(workspace_id));
      await store.recordUse(new Map(), new Map([["key", now()]]));
      expect(await store.listApiKeys(workspace_id)).toMatchObject([
        { id: "key", last_used_at: now(), revoked_at: null },
      ]);
      expect(await store.listApiKeys(newWorkspaceId())).toEqual([]);
      expect(await store.revokeApiKey(newWorkspaceId(), "key")).toBe(false);
      expect(await store.revokeApiKey(workspace_id, "key")).toBe(true);
      expect(await store.revokeApiKey(workspace_id, "key")).toBe(false);
      expect(await store.getApiKey("key")).toMatchObject({ revoked_at: now() });
    });

    it("without an owner go to the user who adopts them, and others keep theirs", async () => {
      const { store } = await open();
      const { workspace_id } = await appOf(store);
      const [first, second] = [newUserId(), newUserId()];
      await store.createApiKey(keyOf(workspace_id));
      await store.createApiKey({ ...keyOf(workspace_id), id: "owned", user_id: second });
      await store.adoptApiKeys(workspace_id, first);
      await store.adoptApiKeys(workspace_id, second);
      expect([(await store.getApiKey("key"))?.user_id, (await store.getApiKey("owned"))?.user_id]).toEqual([
        first,
        second,
      ]);
    });
  });

  describe("setup links", () => {
    it("are used once, by the first caller", async () => {
      const { store, other, now } = await open();
      const user_id = newUserId();
      await store.createSetupLink("link", plus(now(), 1_000));
      await store.createSetupLink("as a user", plus(now(), 1_000), user_id);
      expect(await store.openSetupLink("link")).toEqual({ user_id: null });
      expect(await store.openSetupLink("as a user")).toEqual({ user_id });
      const used = await Promise.all([
        store.useSetupLink("link"),
        other.useSetupLink("link"),
        store.useSetupLink("link"),
      ]);
      expect(used.filter(Boolean)).toHaveLength(1);
      expect(await store.openSetupLink("link")).toBeNull();
    });

    it("are refused when expired or unknown", async () => {
      const { store, now, advance } = await open();
      await store.createSetupLink("link", plus(now(), 1_000));
      await advance(1_000);
      expect(await store.openSetupLink("link")).toBeNull();
      expect(await store.useSetupLink("link")).toBe(false);
      expect(await store.useSetupLink("other")).toBe(false);
    });
  });
}
