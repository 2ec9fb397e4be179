/** Who gets a process, and who waits, without real processes. */
import { expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { LIMITS } from "../../src/core/limits.ts";
import { createPool, type Wanted } from "../../src/runner/pool.ts";
import type { Exit } from "../../src/runner/sandbox/types.ts";

const EXIT: Exit = { code: 0, signal: null, killed_for: null };

function wantedBy(app_id: string): Wanted {
  return {
    app_id,
    function_name: "report",
    version: { id: app_id, directory: "", hold() {}, release() {} },
    start: () => {
      const exited = Promise.withResolvers<Exit>();
      return {
        id: app_id,
        key: "",
        ready: new Promise(() => {}),
        exited: exited.promise,
        redactor: { hideDuring() {}, end() {}, hide() {}, isOpen: () => false, redact: (texts) => texts },
        kill: () => exited.resolve(EXIT),
        limitCpu() {},
      };
    },
  };
}

it("an app that fills its share of the line leaves room in it for other apps", async () => {
  const limits = { ...LIMITS, function_processes: 1, function_invocations: 1, function_queue: 3 };
  const pool = createPool({ clock: systemClock, limits: { ...limits, function_queue_per_app: 2 } });
  const first = await pool.take(wantedBy("app_a"));
  const waiting = [pool.take(wantedBy("app_a")), pool.take(wantedBy("app_a"))];
  await expect(pool.take(wantedBy("app_a"))).rejects.toMatchObject({ code: "overloaded" });
  const other = pool.take(wantedBy("app_b"));
  await expect(pool.take(wantedBy("app_c"))).rejects.toMatchObject({ code: "overloaded" });
  pool.release(first);
  for (const slot of waiting) pool.release(await slot);
  expect((await other).process.id).toBe("app_b");
  await pool.close();
});
