/** The output of functions, and when their automations run. */
import { describe, expect, it } from "vitest";
import { newAppId, newId } from "../../src/core/ids.ts";
import { instant, plus, type AppId, type Instant } from "../../src/core/types.ts";
import type { NewFunctionLog } from "../../src/store/queries/functions/logs.ts";
import { putSchedules } from "../../src/store/queries/functions/schedules.ts";
import type { Store } from "../../src/store/store.ts";
import { appWith } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

const record = (app_id: AppId, message: string, time: Instant, more: Partial<NewFunctionLog> = {}): NewFunctionLog => ({
  id: newId("log"),
  app_id,
  function_name: "hello",
  version: "fnv_1",
  request_id: "req_1",
  level: "info",
  message,
  size: 100,
  time,
  ...more,
});

const everything = { function_names: null, levels: null, since: instant(0), until: instant(1e15), count: 1_000 };

async function messages(store: Store, app_id: AppId, wanted: object = {}): Promise<string[]> {
  const rows = await store.listFunctionLogs({ app_id, order: "asc", ...everything, ...wanted });
  return rows.map(({ message }) => message);
}

export function describeFunctionLogs(open: OpenStores): void {
  describe("function logs", () => {
    it("come back whole, in the order of time and of their addition, to any process", async () => {
      const { store, other } = await open();
      const app_id = await appWith(store);
      const rows = ["b", "c", "a"].map((text) => record(app_id, text, instant(text === "a" ? 1_000 : 2_000)));
      await store.appendFunctionLogs(rows);
      const { size: _size, ...first } = rows[2]!;
      expect((await other.listFunctionLogs({ app_id, order: "asc", ...everything }))[0]).toEqual(first);
      expect(await messages(other, app_id)).toEqual(["a", "b", "c"]);
      expect(await messages(other, app_id, { order: "desc" })).toEqual(["c", "b", "a"]);
      expect(await messages(other, app_id, { order: "desc", count: 2 })).toEqual(["c", "b"]);
    });

    it("are found by function, level and time", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      await store.appendFunctionLogs([
        record(app_id, "one", instant(1_000)),
        record(app_id, "two", instant(2_000), { level: "error" }),
        record(app_id, "three", instant(3_000), { function_name: "crm/sync", request_id: null, version: null }),
        record(await appWith(store), "another app's", instant(2_000)),
      ]);
      expect(await messages(store, app_id, { function_names: ["crm/sync"] })).toEqual(["three"]);
      expect(await messages(store, app_id, { function_names: [] })).toEqual([]);
      expect(await messages(store, app_id, { levels: ["error", "warning"] })).toEqual(["two"]);
      expect(await messages(store, app_id, { since: instant(2_000), until: instant(3_000) })).toEqual(["two"]);
      expect([await store.hasFunctionLogs(app_id, "crm/sync"), await store.hasFunctionLogs(app_id, "none")]).toEqual([
        true,
        false,
      ]);
    });

    it("are kept in the hundreds, and not for an app that was deleted", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      const rows = Array.from({ length: 150 }, (_, index) => record(app_id, String(index), instant(1_000)));
      await store.appendFunctionLogs([...rows, record(newAppId(), "of no app", instant(1_000))]);
      // Again, as after a commit whose outcome is unknown.
      await store.appendFunctionLogs(rows);
      expect(await messages(store, app_id)).toEqual(rows.map(({ message }) => message));
    });

    it("are deleted by age, and the oldest of an app beyond its bytes", async () => {
      const { store } = await open();
      const [app_id, neighbor] = [await appWith(store), await appWith(store)];
      const rows = [1, 2, 3, 4, 5].map((n) => record(app_id, String(n), instant(n * 1_000)));
      await store.appendFunctionLogs([...rows, record(neighbor, "near", instant(2_000))]);
      await store.appendFunctionLogs([record(app_id, "oldest", instant(500))]);
      expect(await store.deleteOldFunctionLogs(instant(2_000), 1)).toBe(1);
      expect(await messages(store, app_id)).toEqual(["1", "2", "3", "4", "5"]);
      expect(await store.deleteOldFunctionLogs(instant(2_000), 10)).toBe(1);
      expect(await messages(store, app_id)).toEqual(["2", "3", "4", "5"]);
      expect(await store.trimFunctionLogs(app_id, 400)).toBe(0);
      expect(await store.trimFunctionLogs(app_id, 250)).toBe(2);
      expect(await messages(store, app_id)).toEqual(["4", "5"]);
      expect(await messages(store, neighbor)).toEqual(["near"]);
    });
  });
}

export function describeSchedules(open: OpenStores): void {
  const put = (store: Store, app_id: AppId, schedules: readonly [string, string, Instant | null][]) =>
    store.transaction((tx) =>
      putSchedules(
        tx,
        app_id,
        "daily",
        schedules.map(([automation_name, spec, next_run_at]) => ({ automation_name, spec, next_run_at })),
      ),
    );
  const nextRuns = async (store: Store, app_id: AppId) =>
    (await store.listSchedules(app_id, null)).map((row) => [row.automation_name, row.next_run_at]);

  describe("schedules", () => {
    it("are replaced by a deploy, except those that it did not change", async () => {
      const { store, other, now } = await open();
      const app_id = await appWith(store);
      const at = now();
      await put(store, app_id, [
        ["same", "1", at],
        ["changed", "1", at],
        ["dropped", "1", at],
      ]);
      const [row] = (await other.dueSchedules(10)).due.filter((due) => due.automation_name === "same");
      expect(await other.claimSchedule(row!, { next_run_at: plus(at, 60_000), runs: 1 })).toBe(true);
      await put(store, app_id, [
        ["same", "1", plus(at, 5_000)],
        ["changed", "2", plus(at, 5_000)],
        ["new", "1", null],
      ]);
      expect(await nextRuns(store, app_id)).toEqual([
        ["changed", plus(at, 5_000)],
        ["new", null],
        ["same", plus(at, 60_000)],
      ]);
      expect((await store.listSchedules(app_id, "daily")).map(({ runs }) => runs)).toEqual([0, 0, 1]);
      expect(await store.listSchedules(app_id, "other")).toEqual([]);
    });

    it("are due from their time on, the earliest first", async () => {
      const { store, now, advance } = await open();
      const app_id = await appWith(store);
      const at = now();
      await put(store, app_id, [
        ["later", "1", plus(at, 60_000)],
        ["now", "1", at],
        ["before", "1", plus(at, -1_000)],
        ["never", "1", null],
      ]);
      const names = async () => (await store.dueSchedules(10)).due.map(({ automation_name }) => automation_name);
      expect(await names()).toEqual(["before", "now"]);
      expect((await store.dueSchedules(1)).due).toHaveLength(1);
      await advance(60_000);
      expect(await names()).toEqual(["before", "now", "later"]);
    });

    it("are claimed by one of many nodes that try at once", async () => {
      const { store, other, now } = await open();
      const app_id = await appWith(store);
      await put(store, app_id, [["tick", "1", now()]]);
      const [row] = (await store.dueSchedules(1)).due;
      const nodes = Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? store : other));
      const claims = nodes.map((node, index) => {
        const lease = { lease_owner: `node_${index}`, lease_until: plus(now(), 30_000) };
        return node.claimSchedule(row!, { next_run_at: plus(now(), 60_000), ...lease });
      });
      expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1);
    });

    it("are finished by their owner only", async () => {
      const { store, now } = await open();
      const app_id = await appWith(store);
      await put(store, app_id, [["tick", "1", now()]]);
      const [row] = (await store.dueSchedules(1)).due;
      const next_run_at = plus(now(), 60_000);
      await store.claimSchedule(row!, { next_run_at, lease_owner: "a", lease_until: plus(now(), 30_000) });
      await store.finishSchedule(row!, "b", "failed");
      expect((await store.listSchedules(app_id, null))[0]).toMatchObject({ lease_owner: "a", last_outcome: null });
      await store.finishSchedule(row!, "a", "ok");
      expect((await store.listSchedules(app_id, null))[0]).toMatchObject({ lease_owner: null, last_outcome: "ok" });
    });
  });
}
