/** Values and their columns, in the format of every version, and damaged columns. */
import { describe, expect, it } from "vitest";
import { newId } from "../../src/core/ids.ts";
import { run } from "../../src/store/operation.ts";
import { enqueue } from "../../src/store/queries/outbox.ts";
import type { Store } from "../../src/store/store.ts";
import type { ConnectionRow, ConnectionsTable, Tables } from "../../src/store/tables.ts";
import { appOf, consented, flowOf, present, stored } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

/** Returns the columns of the only row of a table. */
const columnsOf = (store: Store, table: keyof Tables) =>
  store.transaction(async (tx) => (await tx.db.selectFrom(table).selectAll().execute())[0]);

const damage = (store: Store, { id }: ConnectionRow, columns: Partial<ConnectionsTable>) =>
  store.transaction(async (tx) => {
    tx.invalidates("connections", id);
    await run(tx.db.updateTable("connections").set(columns).where("id", "=", id));
  });

export function describeRows(open: OpenStores): void {
  describe("rows", () => {
    it("store lists and configs as JSON text, a flow's config with sorted names", async () => {
      const { store } = await open();
      const config = { team: "b", a: "ä" };
      const row = await stored(store, { scopes_requested: ["b", "a"], scopes_granted: [], config });
      expect(await columnsOf(store, "connections")).toMatchObject({
        scopes_requested: '["b","a"]',
        scopes_granted: "[]",
        config: '{"team":"b","a":"ä"}',
      });
      expect(row).toMatchObject({ scopes_requested: ["b", "a"], scopes_granted: [], config });

      const flow = flowOf({ scopes: ["b", "a"], config });
      await store.createFlow(flow, { ttl_ms: 1_000, pending: 5 });
      expect(await columnsOf(store, "flows")).toMatchObject({ scopes: '["b","a"]', config: '{"a":"ä","team":"b"}' });
      expect(await store.getFlow(flow.id)).toMatchObject({ scopes: ["b", "a"], config });

      await store.declareConnector(row.app_id, "slack", ["b", "a"]);
      expect(await columnsOf(store, "connectors")).toMatchObject({ scopes: '["b","a"]' });
    });

    it("store booleans as 0 and 1, a device code's scopes separated by spaces, and payloads as JSON text", async () => {
      const { store, now } = await open();
      const app = await appOf(store);
      expect(await columnsOf(store, "apps")).toMatchObject({ functions_enabled: 1 });
      await store.changeApp(app, { functions_enabled: false });
      expect(await columnsOf(store, "apps")).toMatchObject({ functions_enabled: 0 });
      expect(await store.getApp(app.id)).toMatchObject({ functions_enabled: false });

      await store.createDeviceCode(
        {
          device_hash: "device",
          user_code_hash: "user",
          client_id: "holdfast_cli",
          scope: ["apps:read", "apps:write"],
          address: "192.0.2.1",
          network: "192.0.2.1",
          expires_at: now(),
          interval_s: 5,
        },
        10,
      );
      expect(await columnsOf(store, "device_codes")).toMatchObject({ scope: "apps:read apps:write" });

      const { id: connection_id, app_id } = consented();
      const item = { app_id, id: newId("evt"), kind: "event", connection_id, sealed: null } as const;
      await store.transaction((tx) => enqueue(tx, { ...item, payload: { type: "x", at: 1, scopes: ["a"] } }));
      expect(await columnsOf(store, "outbox")).toMatchObject({ payload: '{"type":"x","at":1,"scopes":["a"]}' });
      expect(await store.listOutbox(app_id, "event")).toMatchObject([{ payload: { type: "x", at: 1, scopes: ["a"] } }]);
    });

    it("with a damaged column are returned without its value, beside the others", async () => {
      const { store } = await open();
      const good = await stored(store, { config: { team: "a" } });
      const bad = await stored(store, { app_id: good.app_id, integration_type: "github", config: { team: "b" } });
      await damage(store, bad, { config: '{"team":', scopes_granted: "no list", scopes_requested: "" });
      expect(await present(store, bad.id)).toEqual({ ...bad, config: null, scopes_granted: [], scopes_requested: [] });
      expect(await store.listConnections(good.app_id)).toMatchObject([{ config: null }, { config: { team: "a" } }]);
    });

    it("keep only the strings of a list or config that holds other values", async () => {
      const { store } = await open();
      const row = await stored(store);
      await damage(store, row, { config: '{"team":"a","n":1}', scopes_granted: '["a",1]', scopes_requested: "{}" });
      expect(await present(store, row.id)).toMatchObject({
        config: { team: "a" },
        scopes_granted: ["a"],
        scopes_requested: [],
      });
      await damage(store, row, { config: "[]" });
      expect(await present(store, row.id)).toMatchObject({ config: {} });
    });
  });
}
