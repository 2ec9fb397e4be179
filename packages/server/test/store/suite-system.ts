/** Data keys, settings, the audit trail and the outbox. */
import { describe, expect, it } from "vitest";
import { newAppId, newConnectionId } from "../../src/core/ids.ts";
import { plus, type JsonObject } from "../../src/core/types.ts";
import { enqueue, type NewOutboxItem } from "../../src/store/queries/outbox.ts";
import type { Store } from "../../src/store/store.ts";
import type { AuditEventsTable } from "../../src/store/tables.ts";
import { appOf, bytes } from "./rows.ts";
import type { OpenStore, OpenStores } from "./suite.ts";

const keyOf = ({ now }: OpenStore, dek_id: string, scope = "installation") => ({
  dek_id,
  scope,
  kek_id: "kek_1",
  wrapped: bytes(1),
  encryptions: 0,
  created_at: now(),
});

const item = (change: Partial<NewOutboxItem> = {}): NewOutboxItem => ({
  app_id: newAppId(),
  id: `out_${Math.floor(performance.now() * 1e6)}`,
  kind: "event",
  connection_id: newConnectionId(),
  payload: {},
  sealed: null,
  ...change,
});

const put = (store: Store, one: NewOutboxItem) => store.transaction((tx) => enqueue(tx, one));

export function describeSystem(open: OpenStores): void {
  describe("data keys", () => {
    it("have one current key per scope: the slower creator gets the key of the faster one", async () => {
      const opened = await open();
      const { store, other } = opened;
      const made = await Promise.all([
        store.insertDataKey(keyOf(opened, "dek_1"), null),
        other.insertDataKey(keyOf(opened, "dek_2"), null),
        store.insertDataKey(keyOf(opened, "dek_3"), null),
      ]);
      expect(new Set(made.map(({ dek_id }) => dek_id)).size).toBe(1);
      expect(await store.listDataKeys()).toHaveLength(1);
      expect(await store.currentDataKey("installation")).toEqual(made[0]);
    });

    it("are replaced only by a caller that knows the current one, and old ones stay readable", async () => {
      const opened = await open();
      const { store } = opened;
      await store.insertDataKey(keyOf(opened, "dek_1"), null);
      expect(await store.insertDataKey(keyOf(opened, "dek_2"), "dek_1")).toMatchObject({ dek_id: "dek_2" });
      expect(await store.insertDataKey(keyOf(opened, "dek_3"), "dek_1")).toMatchObject({ dek_id: "dek_2" });
      expect(await store.getDataKey("dek_1")).toMatchObject({ is_current: false });
      expect(await store.currentDataKey("installation")).toMatchObject({ dek_id: "dek_2" });
      expect(await store.getDataKey("dek_3")).toBeNull();
    });

    it("are not created for a missing app", async () => {
      const opened = await open();
      const { store } = opened;
      const { id } = await appOf(store);
      await expect(store.insertDataKey(keyOf(opened, "dek_1", newAppId()), null)).rejects.toMatchObject({
        code: "not_found",
      });
      expect(await store.insertDataKey(keyOf(opened, "dek_2", id), null)).toMatchObject({ scope: id });
    });

    it("reserve each encryption once", async () => {
      const opened = await open();
      const { store, other } = opened;
      await store.insertDataKey(keyOf(opened, "dek_1"), null);
      const starts = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store : other).reserveEncryptions("dek_1", 100)),
      );
      expect(starts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index * 100));
      expect(await store.reserveEncryptions("none", 1)).toBe(Number.POSITIVE_INFINITY);
    });

    it("are rewrapped only from the key that was read", async () => {
      const opened = await open();
      const { store } = opened;
      await store.insertDataKey(keyOf(opened, "dek_1"), null);
      const to = (kek_id: string) => ({ kek_id, wrapped: bytes(2) });
      expect(await store.rewrapDataKey("dek_1", "kek_0", to("kek_2"))).toBe(false);
      expect(await store.rewrapDataKey("dek_1", "kek_1", to("kek_2"))).toBe(true);
      expect(await store.rewrapDataKey("dek_1", "kek_1", to("kek_3"))).toBe(false);
      expect(await store.keyIdsInUse()).toEqual(["kek_2"]);
    });
  });

  describe("settings and audit", () => {
    it("keep the last value of a setting", async () => {
      const { store } = await open();
      expect(await store.getSetting("a")).toBeNull();
      await store.putSetting("a", "1");
      await store.putSetting("a", "2'; drop table settings; --");
      expect(await store.getSetting("a")).toBe("2'; drop table settings; --");
    });

    it("list an app's audit events, newest first", async () => {
      const { store, now } = await open();
      const app_id = newAppId();
      const event = (id: string, after_ms: number, of: string = app_id) => ({
        app_id: of,
        id,
        at: plus(now(), after_ms),
        actor: "somebody",
        action: "did",
        target: null,
        request_id: null,
        workspace_id: null,
        address: "192.0.2.1",
      });
      await store.appendAudit([event("e1", 0), event("e2", 2), event("e3", 1), event("e4", 9, newAppId())]);
      expect((await store.listAudit(app_id, 2)).map(({ id }) => id)).toEqual(["e2", "e3"]);
    });

    it("export audit events page by page, oldest first, of one app, one workspace or all", async () => {
      const { store, now } = await open();
      const app = await appOf(store);
      const event = (id: string, at_ms: number, change: Partial<AuditEventsTable> = {}): AuditEventsTable => ({
        app_id: "",
        id,
        at: plus(now(), at_ms),
        actor: "somebody",
        action: "did",
        target: null,
        request_id: "req_1",
        workspace_id: null,
        address: null,
        ...change,
      });
      // More than fit into one statement, out of order, two at the same instant.
      const many = Array.from({ length: 75 }, (_, index) => event(`m${index}`, 1_000 + ((index * 7) % 75)));
      const others = [
        event("w2", 5, { workspace_id: app.workspace_id }),
        event("w1", 5, { app_id: app.id }),
        event("x", 6, { app_id: newAppId() }),
      ];
      await store.appendAudit([...many, ...others]);
      const workspace_ids = [app.workspace_id];
      const wanted = {
        app_id: null,
        workspace_ids,
        installation: true,
        since: now(),
        until: plus(now(), 9_000),
        after: null,
      };
      const all = await store.exportAudit({ ...wanted, count: 1_000 });
      // An app of none of these workspaces.
      expect(all).toHaveLength(77);
      expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).toSorted((a, b) => a - b));
      const paged: string[] = [];
      for (let page = await store.exportAudit({ ...wanted, count: 10 }); page.length > 0;) {
        paged.push(...page.map(({ id }) => id));
        page = await store.exportAudit({ ...wanted, after: page.at(-1) ?? null, count: 10 });
      }
      expect(paged).toEqual(all.map(({ id }) => id));
      const ids = async (change: object): Promise<string[]> =>
        (await store.exportAudit({ ...wanted, count: 99, ...change })).map(({ id }) => id);
      expect(await ids({ app_id: app.id })).toEqual(["w1"]);
      expect(await ids({ installation: false })).toEqual(["w1", "w2"]);
      expect(await ids({ workspace_ids: [] })).toHaveLength(75);
      expect(await ids({ workspace_ids: null })).toHaveLength(78);
      expect(await ids({ since: plus(now(), 5), until: plus(now(), 1_000) })).toEqual(["w1", "w2"]);
      // The app is deleted. Its events stay with its workspace.
      expect((await store.listAudit(app.id, 1))[0]).toMatchObject({ workspace_id: app.workspace_id });
    });
  });

  describe("the outbox", () => {
    it("returns due items by kind, and postponed ones later", async () => {
      const { store, now, advance } = await open();
      const [event, first, second] = [item(), item({ kind: "revoke" }), item({ kind: "revoke" })];
      for (const one of [event, first, second]) await put(store, one);
      expect(await store.dueOutbox("revoke", 10)).toHaveLength(2);
      expect(await store.dueOutbox("revoke", 1)).toHaveLength(1);
      await store.postponeOutbox(first.id, 1, plus(now(), 5_000));
      expect((await store.dueOutbox("revoke", 10)).map(({ id }) => id)).toEqual([second.id]);
      await advance(5_000);
      expect(await store.dueOutbox("revoke", 10)).toHaveLength(2);
    });

    it("erases the sealed tokens of a done item", async () => {
      const { store, now } = await open();
      const one = item({ kind: "revoke", sealed: bytes(3) });
      await put(store, one);
      await store.finishOutbox(one.id);
      expect(await store.dueOutbox("revoke", 10)).toEqual([]);
      expect(await store.listOutbox(one.app_id, "revoke")).toMatchObject([{ done_at: now(), sealed: null }]);
    });

    it("deletes old items that are done, and no open ones", async () => {
      const { store, now, advance } = await open();
      const [event, done, open_item] = [item(), item({ kind: "revoke" }), item({ kind: "revoke" })];
      for (const one of [event, done, open_item]) await put(store, one);
      await store.finishOutbox(done.id);
      expect(await store.deleteOldOutbox(now())).toBe(0);
      await advance(1);
      expect(await store.deleteOldOutbox(now())).toBe(1);
      expect(await store.listOutbox(open_item.app_id, "revoke")).toHaveLength(1);
      expect(await store.listOutbox(event.app_id, "event")).toHaveLength(1);
    });
  });

  describe("events in the outbox", () => {
    const LEASE_MS = 30_000;
    const reserve = async ({ store }: Pick<OpenStore, "store">, count = 10) =>
      (await store.reserveEvents(count, LEASE_MS)).map(({ id }) => id).toSorted();

    /** Events of one connection, oldest first. */
    async function line(store: Store, length: number): Promise<NewOutboxItem[]> {
      const connection_id = newConnectionId();
      const items = Array.from({ length }, (_, index) => item({ connection_id, id: `${connection_id}_${index}` }));
      for (const one of items) await put(store, one);
      return items;
    }

    it("are reserved one per connection, and the next one when the first is done", async () => {
      const opened = await open();
      const { store } = opened;
      const [[a1, a2], [b1, b2]] = [await line(store, 2), await line(store, 2)];
      if (!a1 || !a2 || !b1 || !b2) throw new Error("unreachable");
      expect(await reserve(opened)).toEqual([a1.id, b1.id].toSorted());
      expect(await reserve(opened)).toEqual([]);
      await store.finishEvent(a1.id);
      expect(await reserve(opened)).toEqual([a2.id]);
      await store.finishEvent(a1.id);
      expect(await reserve(opened)).toEqual([]);
    });

    it("are due at once when the one before is done, even if they were added during its retry", async () => {
      const opened = await open();
      const { store } = opened;
      const [first] = await line(store, 1);
      if (!first) throw new Error("unreachable");
      await store.postponeEvent(first, 1, 0);
      await reserve(opened);
      const second = item({ connection_id: first.connection_id });
      await put(store, second);
      await store.finishEvent(first.id);
      expect(await reserve(opened)).toEqual([second.id]);
    });

    it("belong to the node that reserved them, until the reservation expires", async () => {
      const opened = await open();
      const { store, other, advance } = opened;
      const lines = await Promise.all(Array.from({ length: 6 }, () => line(store, 1)));
      const [mine, theirs] = await Promise.all([reserve(opened, 3), reserve({ store: other }, 3)]);
      expect(new Set([...mine, ...theirs]).size).toBe(mine.length + theirs.length);
      await reserve(opened);
      await advance(LEASE_MS - 1);
      expect(await reserve({ store: other })).toEqual([]);
      await advance(1);
      expect(await reserve({ store: other })).toHaveLength(lines.length);
    });

    it("wait behind a failed one, including later ones, and other connections' events do not", async () => {
      const opened = await open();
      const { store, advance } = opened;
      const [a1, a2] = await line(store, 2);
      if (!a1 || !a2) throw new Error("unreachable");
      await reserve(opened);
      await store.postponeEvent(a1, 1, 60_000);
      const [b1] = await line(store, 1);
      expect((await store.dueOutbox("event", 10)).map(({ id }) => id)).toEqual([b1?.id]);
      await put(store, item({ connection_id: a1.connection_id }));
      expect(await reserve(opened)).toEqual([b1?.id]);
      await advance(60_000);
      expect(await reserve(opened)).toEqual(expect.arrayContaining([a1.id]));
      expect(await store.listOutbox(a1.app_id, "event")).toMatchObject([{ id: a1.id, attempts: 1 }]);
      await store.finishEvent(a1.id);
      expect(await reserve(opened)).toEqual([a2.id]);
    });

    it("are in the order in which one transaction wrote them", async () => {
      const opened = await open();
      const { store } = opened;
      const connection_id = newConnectionId();
      const ids = ["evt_3", "evt_1", "evt_2"];
      await store.transaction(async (tx) => {
        for (const id of ids) await enqueue(tx, item({ connection_id, id }));
      });
      for (const id of ids) {
        expect(await reserve(opened)).toEqual([id]);
        await store.finishEvent(id);
      }
    });

    it("are reserved once and in order by two servers that send while more events arrive", async () => {
      const { store, other } = await open();
      const [connections, length] = [10, 8];
      const ids = Array.from({ length: connections }, () => newConnectionId());
      const sent: { connection_id: string; payload: JsonObject | null }[] = [];
      let idle = 0;
      const send = async (handle: Store): Promise<void> => {
        while (sent.length < connections * length && idle < 1_000) {
          const items = await handle.reserveEvents(3, LEASE_MS);
          idle = items.length === 0 ? idle + 1 : 0;
          sent.push(...items);
          await Promise.all(items.map((one) => handle.finishEvent(one.id)));
        }
      };
      const write = async (): Promise<void> => {
        for (let place = 0; place < length; place += 1)
          await Promise.all(
            ids.map((connection_id, at) =>
              put(
                at % 2 === 0 ? store : other,
                item({ connection_id, id: `${connection_id}_${place}`, payload: { place } }),
              ),
            ),
          );
      };
      await Promise.all([write(), send(store), send(other), send(store), send(other)]);
      for (const id of ids)
        expect(
          sent.filter(({ connection_id }) => connection_id === id).map(({ payload }) => payload?.["place"]),
        ).toEqual(Array.from({ length }, (_, place) => place));
    });

    it("do not block revocations, and revocations do not block them", async () => {
      const opened = await open();
      const { store } = opened;
      const connection_id = newConnectionId();
      await put(store, item({ connection_id, kind: "revoke", id: "out_1" }));
      await put(store, item({ connection_id, id: "evt_1" }));
      await put(store, item({ connection_id, kind: "revoke", id: "out_2" }));
      expect(await reserve(opened)).toEqual(["evt_1"]);
      await store.postponeEvent({ id: "evt_1", connection_id }, 1, 60_000);
      expect(await store.dueOutbox("revoke", 10)).toHaveLength(2);
    });
  });
}
