/** Scheduled automations on two nodes over one database. */
import { describe, expect, it, vi } from "vitest";
import { CodedError } from "../../src/core/errors.ts";
import { LIMITS } from "../../src/core/limits.ts";
import type { AppId } from "../../src/core/types.ts";
import type { FunctionRecord } from "../../src/service/functions/log-buffer.ts";
import { createScheduler, type ScheduledRun, type Scheduler } from "../../src/service/functions/scheduler.ts";
import { putSchedules } from "../../src/service/functions/schedules.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { appOf } from "./rows.ts";
import type { OpenStore, OpenStores } from "./suite.ts";

const MINUTE = 60_000;
const HOURLY = {
  name: "hourly",
  type: "scheduled",
  schedule_mode: "recurring",
  schedule_type: "cron",
  cron_expression: "0 * * * *",
  function_args: { region: "eu" },
};

interface Stage extends OpenStore {
  readonly app_id: AppId;
  readonly nodes: readonly [Scheduler, Scheduler];
  readonly runs: ScheduledRun[];
  readonly records: FunctionRecord[];
  /** What a run does. */
  behavior: () => Promise<number>;
  deploy(...automations: readonly object[]): Promise<void>;
  /** Both nodes look for due schedules at once, several times. */
  tick(): Promise<void>;
  row(): Promise<object | undefined>;
}

async function stage(open: OpenStores): Promise<Stage> {
  const opened = await open();
  const { id: app_id } = await appOf(opened.store);
  const runs: ScheduledRun[] = [];
  const records: FunctionRecord[] = [];
  const clock = { now: opened.now, monotonic_ms: () => opened.now(), after: () => () => {} };
  const scheduler = (store: OpenStore["store"], owner: string): Scheduler =>
    createScheduler({
      store,
      owner,
      clock,
      limits: LIMITS,
      log: silentLog,
      functionLogs: { write: (record) => void records.push(record) },
      run: async (run) => {
        runs.push(run);
        return await stageOf.behavior();
      },
    });
  const nodes = [scheduler(opened.store, "node_a"), scheduler(opened.other, "node_b")] as const;
  const stageOf: Stage = {
    ...opened,
    app_id,
    nodes,
    runs,
    records,
    behavior: () => Promise.resolve(200),
    deploy: (...automations) => opened.store.transaction((tx) => putSchedules(tx, app_id, "report", automations)),
    tick: async () => {
      await Promise.all([...nodes, ...nodes, ...nodes].map((node) => node.tick()));
    },
    row: async () => (await opened.store.listSchedules(app_id, "report"))[0],
  };
  return stageOf;
}

export function describeScheduler(open: OpenStores): void {
  describe("scheduled automations", () => {
    it("run once for each time of the schedule, on one of two nodes", async () => {
      const { app_id, deploy, tick, runs, advance, row } = await stage(open);
      await deploy(HOURLY);
      await tick();
      expect(runs).toHaveLength(0);
      for (let hour = 1; hour <= 5; hour += 1) {
        await advance(60 * MINUTE);
        await tick();
        await tick();
        expect(runs).toHaveLength(hour);
      }
      expect(runs[0]).toEqual({ app_id, function_name: "report", body: '{"region":"eu"}' });
      expect(await row()).toMatchObject({ last_outcome: "ok", lease_owner: null, runs: 5, missed: 0 });
    });

    it("that were missed are counted and logged, and not made up for", async () => {
      const { deploy, tick, runs, records, advance, row } = await stage(open);
      await deploy(HOURLY);
      await advance(5 * 60 * MINUTE + 10 * MINUTE);
      await tick();
      expect(runs).toHaveLength(0);
      expect(await row()).toMatchObject({ last_outcome: "missed", missed: 5, runs: 0 });
      expect(records).toMatchObject([{ level: "warning", function_name: "report", request_id: null }]);
      expect(records[0]?.message).toContain("missed 5 runs");
      await advance(50 * MINUTE);
      await tick();
      expect(runs).toHaveLength(1);
    });

    it("run if a node looks within a minute of the latest time, which is not missed", async () => {
      const { deploy, tick, runs, advance, row } = await stage(open);
      await deploy(HOURLY);
      await advance(3 * 60 * MINUTE + MINUTE);
      await tick();
      expect(runs).toHaveLength(1);
      expect(await row()).toMatchObject({ runs: 1, missed: 2 });
    });

    it("do not run again while a run has not ended", async () => {
      const started = Promise.withResolvers<number>();
      const held = await stage(open);
      held.behavior = () => started.promise;
      await held.deploy({ ...HOURLY, cron_expression: "* * * * *" });
      await held.advance(MINUTE);
      const running = held.nodes[0].tick();
      while (held.runs.length === 0) await new Promise(setImmediate);
      await held.advance(MINUTE);
      await held.nodes[1].tick();
      expect(held.runs).toHaveLength(1);
      expect(held.records[0]?.message).toContain("the run before it had not ended");
      started.resolve(200);
      await running;
      await held.advance(MINUTE);
      await held.nodes[1].tick();
      expect(held.runs).toHaveLength(2);
    });

    it("are free again after the node of a run died, and the log says so", async () => {
      const { store, deploy, nodes, runs, records, advance, row, now } = await stage(open);
      await deploy(HOURLY);
      await advance(60 * MINUTE);
      const [due] = (await store.dueSchedules(1)).due;
      const lease = { lease_owner: "node_dead", lease_until: now(), last_outcome: "running" };
      await store.claimSchedule(due!, { next_run_at: due!.next_run_at, ...lease });
      await advance(1);
      await nodes[1].tick();
      expect(runs).toHaveLength(1);
      expect(records[0]).toMatchObject({ level: "error" });
      expect(records[0]?.message).toContain("was interrupted");
      expect(await row()).toMatchObject({ lease_owner: null, last_outcome: "ok" });
    });

    it("of one app, however many are due, do not delay those of another app", async () => {
      const held = await stage(open);
      const { store, nodes, runs, advance } = held;
      const every_minute = (name: string) => ({ ...HOURLY, name, cron_expression: "* * * * *" });
      const many = Array.from({ length: 3 * LIMITS.schedule_batch }, (_, index) => every_minute(`a${index}`));
      const { id: other } = await appOf(store, "other");
      await held.deploy(...many);
      await store.transaction((tx) => putSchedules(tx, other, "report", [every_minute("z")]));
      await advance(MINUTE);
      const end = Promise.withResolvers<number>();
      held.behavior = () => end.promise;
      const ticks = [nodes[0].tick()];
      await vi.waitFor(() => expect(runs.map(({ app_id }) => app_id)).toContain(other));
      ticks.push(nodes[0].tick());
      await expect.poll(() => runs.length).toBe(LIMITS.schedule_batch_per_app + 1);
      end.resolve(200);
      await Promise.all(ticks);
    });

    it("record how a run failed", async () => {
      const failing = await stage(open);
      await failing.deploy(HOURLY);
      const outcomes: [() => Promise<number>, string][] = [
        [() => Promise.resolve(500), "status_500"],
        [() => Promise.reject(new CodedError("function_timeout")), "function_timeout"],
        [() => Promise.reject(new Error("a defect")), "internal"],
      ];
      for (const [behavior, outcome] of outcomes) {
        failing.behavior = behavior;
        await failing.advance(60 * MINUTE);
        await failing.tick();
        expect(await failing.row()).toMatchObject({ last_outcome: outcome });
        expect(failing.records.at(-1)?.message).toBe(`The automation hourly failed: ${outcome}.`);
      }
    });

    it("do not run while the app's functions are turned off", async () => {
      const { store, app_id, deploy, tick, runs, advance, row } = await stage(open);
      await deploy(HOURLY);
      const app = await store.getApp(app_id);
      await store.changeApp(app!, { functions_enabled: false });
      await advance(60 * MINUTE);
      await tick();
      expect(runs).toHaveLength(0);
      expect(await row()).toMatchObject({ last_outcome: "functions_disabled" });
    });

    it("end after their number of runs, and a single one after its date", async () => {
      const { deploy, tick, runs, advance, row, now } = await stage(open);
      const one_time_date = new Date(now() + 90 * MINUTE).toISOString();
      await deploy(
        { ...HOURLY, ends_type: "after", ends_after_count: 2 },
        { name: "once", type: "scheduled", schedule_mode: "one-time", one_time_date },
      );
      for (let half_hour = 0; half_hour < 12; half_hour += 1) {
        await advance(30 * MINUTE);
        await tick();
      }
      expect(runs.map(({ body }) => body).toSorted()).toEqual(['{"region":"eu"}', '{"region":"eu"}', "{}"]);
      expect(await row()).toMatchObject({ next_run_at: null, runs: 2 });
    });

    it("keep their time through a deploy that does not change them", async () => {
      const { deploy, tick, runs, advance, row } = await stage(open);
      await deploy(HOURLY);
      await advance(60 * MINUTE);
      await tick();
      await deploy(HOURLY, { type: "entity", name: "order", entity_name: "Order", event_types: ["create"] });
      expect(await row()).toMatchObject({ runs: 1 });
      await deploy({ ...HOURLY, is_active: false });
      expect(await row()).toMatchObject({ next_run_at: null, runs: 0 });
      await advance(60 * MINUTE);
      await tick();
      expect(runs).toHaveLength(1);
      await deploy();
      expect(await row()).toBeUndefined();
    });
  });
}
