/** Connections outside the refresh protocol: storing, finding, changing status, deleting. */
import { describe, expect, it } from "vitest";
import { newAppId, newConnectionId } from "../../src/core/ids.ts";
import { plus } from "../../src/core/types.ts";
import type { ConnectionStatus } from "../../src/core/status.ts";
import { deleteApp } from "../../src/store/queries/apps.ts";
import {
  changeStatus,
  clearMisconfigured,
  deleteConnection,
  putConnection,
  warnOfEnd,
  type StatusChange,
} from "../../src/store/queries/connections.ts";
import type { Store } from "../../src/store/store.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import { appWith, claimOf, consented, present, stored } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

const DAY_MS = 86_400_000;

const change = (store: Store, row: ConnectionRow, to: Partial<StatusChange> = {}) =>
  store.transaction((tx) =>
    changeStatus(tx, {
      id: row.id,
      generation: row.generation,
      status: "expired",
      reason: "revoked",
      confirm_in_ms: null,
      ...to,
    }),
  );

export function describeConnections(open: OpenStores): void {
  describe("connections", () => {
    it("returns what was stored, and null for a missing connection", async () => {
      const { store } = await open();
      const wanted = consented({ app_id: await appWith(store) });
      expect(await store.transaction((tx) => putConnection(tx, wanted, null))).toBe(true);
      const row = await store.findConnection(wanted.app_id, "slack");
      expect(row).toMatchObject({ ...wanted, status: "active", reason: null, attempt: 0, lease_until: null });
      expect(await store.getConnection(wanted.id)).toEqual(row);
      expect(await store.findConnection(wanted.app_id, "github")).toBeNull();
      expect(await store.findConnection(newAppId(), "slack")).toBeNull();
      expect(await store.getConnection(newConnectionId())).toBeNull();
    });

    it("keeps one connection per app and service: a second first consent loses and changes nothing", async () => {
      const { store, other } = await open();
      const row = await stored(store);
      const rival = consented({ app_id: row.app_id, account_label: "bob" });
      expect(await other.transaction((tx) => putConnection(tx, rival, null))).toBe(false);
      expect(await store.listConnections(row.app_id)).toEqual([row]);
    });

    it("stores no consent whose app was deleted meanwhile", async () => {
      const { store, other } = await open();
      const wanted = consented({ app_id: await appWith(store) });
      await other.transaction((tx) => deleteApp(tx, wanted.app_id));
      await expect(store.transaction((tx) => putConnection(tx, wanted, null))).rejects.toMatchObject({
        code: "not_found",
      });
      expect(await store.getConnection(wanted.id)).toBeNull();
    });

    it("refuses a consent that was sealed for another generation", async () => {
      const { store, other } = await open();
      const seen = await stored(store);
      const again = { ...consented({ app_id: seen.app_id, id: seen.id, generation: 2 }), account_label: "bob" };
      expect(await store.transaction((tx) => putConnection(tx, again, seen))).toBe(true);
      expect(await other.transaction((tx) => putConnection(tx, { ...again, account_label: "eve" }, seen))).toBe(false);
      expect(await present(store, seen.id)).toMatchObject({ generation: 2, account_label: "bob" });
    });

    it("resets all bookkeeping with a new consent, except the number of attempts", async () => {
      const { store } = await open();
      const row = await stored(store);
      await store.claimRefresh(claimOf(row));
      const claimed = await present(store, row.id);
      const again = consented({ app_id: row.app_id, id: row.id, generation: 2 });
      await store.transaction((tx) => putConnection(tx, again, claimed));
      expect(await present(store, row.id)).toMatchObject({
        attempt: 1,
        lease_owner: null,
        lease_until: null,
        intent_at: null,
        parent_rt_fp: null,
        win_attempt: null,
        fail_class: null,
      });
    });

    it("lists an app's connections by service, and no other app's", async () => {
      const { store } = await open();
      const { app_id } = await stored(store, { integration_type: "slack" });
      await stored(store, { app_id, integration_type: "github" });
      await stored(store);
      expect((await store.listConnections(app_id)).map((row) => row.integration_type)).toEqual(["github", "slack"]);
    });

    it("finds the connections of an OAuth client", async () => {
      const { store } = await open();
      const row = await stored(store);
      await stored(store);
      expect(await store.connectionsOfClient(row.oauth_client_id)).toEqual([row]);
    });

    it.for<[ConnectionStatus, "expired" | "disconnected", boolean]>([
      ["active", "expired", true],
      ["active", "disconnected", true],
      ["expired", "disconnected", true],
      ["expired", "expired", true],
      ["disconnected", "disconnected", true],
      ["disconnected", "expired", false],
    ])("moves from %s to %s: %s", async ([from, to, allowed]) => {
      const { store } = await open();
      const row = await stored(store);
      const before = from === "active" ? row : await change(store, row, { status: from });
      if (before === null) throw new Error("the first move was refused");
      const after = await change(store, before, { status: to });
      expect(after === null).toBe(!allowed);
      expect((await present(store, row.id)).status).toBe(allowed ? to : from);
    });

    it("refuses a change of status for an older generation", async () => {
      const { store } = await open();
      const row = await stored(store, { generation: 5 });
      expect(await change(store, { ...row, generation: 4 })).toBeNull();
      expect(await present(store, row.id)).toEqual(row);
    });

    it("erases the tokens of a disconnected connection, and keeps its scopes and account", async () => {
      const { store } = await open();
      const row = await stored(store);
      await change(store, row, { status: "disconnected", reason: "disconnected_by_builder" });
      expect(await present(store, row.id)).toMatchObject({
        status: "disconnected",
        generation: 2,
        sealed_access: null,
        sealed_refresh: null,
        rt_fp: null,
        expires_at: null,
        refresh_at: null,
        scopes_requested: row.scopes_requested,
        account_label: "ada",
      });
    });

    it("keeps the tokens of an expired connection, for the one confirming request", async () => {
      const { store, now } = await open();
      const row = await stored(store);
      await change(store, row, { confirm_in_ms: 0 });
      expect(await present(store, row.id)).toMatchObject({
        status: "expired",
        reason: "revoked",
        confirm_at: now(),
        sealed_refresh: row.sealed_refresh,
      });
    });

    it("deletes once", async () => {
      const { store } = await open();
      const row = await stored(store);
      const remove = () => store.transaction((tx) => deleteConnection(tx, row.id));
      expect([await remove(), await remove()]).toEqual([true, false]);
    });

    it("warns of the expiry of a refresh token 7 days and 1 day before, once each", async () => {
      const { store, other, now, advance } = await open();
      const row = await stored(store, { refresh_token_expires_at: plus(now(), 8 * DAY_MS) });
      await stored(store, { refresh_token_expires_at: plus(now(), 30 * DAY_MS) });
      const warn = (handle: Store) => handle.transaction((tx) => warnOfEnd(tx, row));
      expect(await store.endingConnections(10)).toEqual([]);
      for (const days of [7, 1]) {
        await advance(days === 7 ? DAY_MS : 6 * DAY_MS);
        expect(await store.endingConnections(10)).toMatchObject([{ id: row.id }]);
        expect([await warn(store), await warn(other)]).toEqual([days, null]);
        expect(await store.endingConnections(10)).toEqual([]);
      }
    });

    it("records a check for the generation that was checked", async () => {
      const { store, now } = await open();
      const row = await stored(store);
      await store.recordCheck(row.id, row.generation + 1);
      expect(await present(store, row.id)).toMatchObject({ checked_at: null });
      await store.recordCheck(row.id, row.generation);
      expect(await present(store, row.id)).toMatchObject({ checked_at: now() });
    });

    it("lifts a pause for the connections of one OAuth client only", async () => {
      const { store } = await open();
      const rows = [await stored(store), await stored(store)];
      for (const row of rows) {
        await store.claimRefresh(claimOf(row));
        const pause = {
          attempt: 1,
          fail_class: "misconfigured",
          retry_in_ms: 0,
          keep_intent: false,
        } as const;
        await store.failRefresh({ id: row.id, ...pause });
      }
      const [mine, theirs] = rows;
      if (mine === undefined || theirs === undefined) throw new Error("no rows");
      expect(await store.transaction((tx) => clearMisconfigured(tx, mine.oauth_client_id))).toBe(1);
      expect(await present(store, mine.id)).toMatchObject({ fail_class: null, next_attempt_at: null, failures: 0 });
      expect(await present(store, theirs.id)).toMatchObject({ fail_class: "misconfigured", failures: 1 });
    });
  });
}
