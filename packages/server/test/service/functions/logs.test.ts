import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { CodedError } from "../../../src/core/errors.ts";
import { LIMITS, type Limits } from "../../../src/core/limits.ts";
import { instant, type AppId } from "../../../src/core/types.ts";
import type { FunctionRecord } from "../../../src/service/functions/log-buffer.ts";
import { createFunctionLogs, type FunctionLogs } from "../../../src/service/functions/logs.ts";
import { openSqlite } from "../../../src/store/sqlite.ts";
import { createStore, type Store } from "../../../src/store/store.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { appOf } from "../../store/rows.ts";
import { manualClock, until, type ManualClock } from "../../support/clock.ts";

interface Stage {
  readonly store: Store;
  readonly clock: ManualClock;
  readonly logs: FunctionLogs;
  readonly app_id: AppId;
  record(message: string, more?: Partial<FunctionRecord>): FunctionRecord;
  messages(): Promise<string[]>;
}

const ALL = { function_names: null, levels: null, since: null, until: null, order: "asc", count: 500 } as const;

async function stage(limits: Partial<Limits> = {}): Promise<Stage> {
  const data_dir = mkdtempSync(join(tmpdir(), "holdfast-logs-"));
  const clock = manualClock();
  const store = createStore(await openSqlite({ data_dir, clock, limits: LIMITS }));
  onTestFinished(async () => {
    await store.close();
    rmSync(data_dir, { recursive: true, force: true });
  });
  const { id: app_id } = await appOf(store);
  const logs = createFunctionLogs({ store, clock, limits: { ...LIMITS, ...limits }, log: silentLog });
  return {
    store,
    clock,
    logs,
    app_id,
    record: (message, more = {}) => ({
      app_id,
      function_name: "hello",
      version: "fnv_1",
      request_id: "req_1",
      level: "info",
      message,
      time: clock.now(),
      ...more,
    }),
    messages: async () => (await logs.read({ app_id, ...ALL })).map(({ message }) => message),
  };
}

describe("the output of functions", () => {
  it("is stored within half a second", async () => {
    const { store, clock, logs, app_id, record } = await stage();
    logs.write(record("hello"));
    const rows = () => store.listFunctionLogs({ app_id, ...ALL, since: instant(0), until: instant(clock.now() + 1) });
    expect(await rows()).toEqual([]);
    await clock.advance(LIMITS.function_log_flush_ms);
    await until("the record is stored", async () => (await rows()).length === 1);
    expect(await rows()).toMatchObject([{ message: "hello", version: "fnv_1", request_id: "req_1", level: "info" }]);
  });

  it("is in a list immediately, ordered by time", async () => {
    const { clock, logs, app_id, record, messages } = await stage();
    logs.write(record("first"));
    await clock.advance(1);
    logs.write(record("second"));
    expect(await messages()).toEqual(["first", "second"]);
    expect((await logs.read({ app_id, ...ALL, order: "desc", count: 1 })).map(({ message }) => message)).toEqual([
      "second",
    ]);
  });

  it("does not fill memory: records that do not fit are dropped and counted", async () => {
    const { logs, record, messages } = await stage({ function_log_buffer_bytes: 10_000 });
    for (let index = 0; index < 1_000; index += 1) logs.write(record("x".repeat(800)));
    const stored = await messages();
    expect(stored.at(-1)).toBe(`${1_001 - stored.length} records were dropped here: too much output at once.`);
    expect(stored.length).toBeLessThan(20);
  });

  it("waits for a database that does not respond, and counts records that do not fit", async () => {
    const { store, logs, record, messages } = await stage({ function_log_buffer_bytes: 5_000 });
    const down = vi.spyOn(store, "appendFunctionLogs").mockRejectedValue(new CodedError("database_unavailable"));
    logs.write(record("before"));
    await logs.flush();
    for (let index = 0; index < 100; index += 1) logs.write(record(`during ${index}`));
    await logs.flush();
    down.mockRestore();
    const stored = await messages();
    expect(stored.slice(0, 2)).toEqual(["before", "during 0"]);
    expect(stored.at(-1)).toMatch(/^\d+ records were dropped here/);
  });

  it("does not fill the disk: the oldest records of the app go first", async () => {
    const { logs, record, messages } = await stage({ function_log_bytes: 16_000 });
    for (let index = 0; index < 100; index += 1) {
      logs.write(record(`${index} ${"x".repeat(800)}`, { time: instant(1_000_000 + index) }));
      await logs.flush();
    }
    const stored = await messages();
    expect(stored.length).toBeLessThanOrEqual(17);
    expect(stored.at(-1)).toMatch(/^99 /);
  });

  it("is shown live once, even if it is stored late and in another order", async () => {
    const { clock, store, logs, app_id, record } = await stage();
    const other = createFunctionLogs({ store, clock, limits: LIMITS, log: silentLog });
    logs.write(record("before"));
    await logs.flush();
    const tail = logs.tail(app_id, ["hello"]);
    expect(await tail.next()).toEqual([]);
    const late = record("late");
    await clock.jump(2_000);
    logs.write(record("early"));
    logs.write(record("of another function", { function_name: "other" }));
    await logs.flush();
    const next = async () => (await tail.next()).map(({ message }) => message);
    expect(await next()).toEqual(["early"]);
    other.write(late);
    await other.flush();
    expect(await next()).toEqual(["late"]);
    expect(await next()).toEqual([]);
    await clock.jump(60_000);
    expect(await next()).toEqual([]);
  });
});
