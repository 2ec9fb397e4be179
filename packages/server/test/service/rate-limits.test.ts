import { describe, expect, it } from "vitest";
import { createRateLimits, type Rule } from "../../src/service/access/rate-limits.ts";
import { MINUTE, SECOND } from "../support/clock.ts";
import { startTestServer } from "../support/server.ts";

async function limited() {
  const { installation, clock } = await startTestServer();
  const { store } = installation;
  const rateLimits = createRateLimits({ store, clock });
  return { rateLimits, store, clock };
}

const rule = (key: string, limit: number): Rule => ({ key, limit, window_ms: MINUTE });
const wrong = () => Promise.resolve(null);
const right = () => Promise.resolve("yes");

describe("tries that are counted in the database", () => {
  it("are refused above the limit with the time left, and allowed again after it", async () => {
    const { rateLimits, clock } = await limited();
    const rules = [rule("a", 2)];
    expect([await rateLimits.attempt(rules, wrong), await rateLimits.attempt(rules, wrong)]).toEqual([null, null]);
    await clock.jump(20 * SECOND);
    await expect(rateLimits.attempt(rules, right)).rejects.toMatchObject({
      code: "rate_limited",
      status: 429,
      options: { retry_after_s: 40 },
    });
    await clock.jump(40 * SECOND);
    expect(await rateLimits.attempt(rules, right)).toBe("yes");
  });

  it("are counted for all nodes together", async () => {
    const { rateLimits, store, clock } = await limited();
    const other = createRateLimits({ store, clock });
    await rateLimits.attempt([rule("a", 2)], wrong);
    await other.attempt([rule("a", 2)], wrong);
    await expect(rateLimits.attempt([rule("a", 2)], right)).rejects.toMatchObject({ code: "rate_limited" });
  });

  it("use up nothing of a wider rule when a narrower one refuses, and store no key in the clear", async () => {
    const { rateLimits, store } = await limited();
    const rules = [rule("login:ada@example.com", 1), rule("all", 2)];
    await rateLimits.attempt(rules, wrong);
    for (let n = 0; n < 5; n += 1) await expect(rateLimits.attempt(rules, wrong)).rejects.toThrow("Retry-After");
    expect(await rateLimits.attempt([rule("another caller", 1), rule("all", 2)], wrong)).toBeNull();
    const rows = await store.transaction(async (tx) => {
      return await tx.db.selectFrom("rate_windows").selectAll().execute();
    });
    expect(JSON.stringify(rows)).not.toContain("ada");
  });

  it("count an exception as wrong", async () => {
    const { rateLimits } = await limited();
    const failing = () => Promise.reject(new Error("away"));
    await expect(rateLimits.attempt([rule("a", 1)], failing)).rejects.toThrow("away");
    await expect(rateLimits.attempt([rule("a", 1)], right)).rejects.toMatchObject({ code: "rate_limited" });
  });

  it("are deleted by the sweeper", async () => {
    const { installation, server, clock } = await startTestServer();
    const { store } = installation;
    await createRateLimits({ store, clock }).attempt([rule("a", 1)], wrong);
    await clock.jump(2 * MINUTE);
    await server.sweeper.tick();
    const rows = await store.transaction(async (tx) => {
      return await tx.db.selectFrom("rate_windows").selectAll().execute();
    });
    expect(rows).toEqual([]);
  });
});
