import { expect, it } from "vitest";
import { asAppId } from "../../../src/core/ids.ts";
import { inTurn, type Turns } from "../../../src/service/functions/turns.ts";

it("lets two deployments run, two wait in their order, and refuses the next", async () => {
  const turns: Turns = { running: [], waiting: [] };
  const limits = {
    function_deploys: 2,
    function_deploys_per_app: 2,
    function_deploys_waiting: 2,
    function_deploys_waiting_per_app: 2,
  };
  const started: number[] = [];
  const ends = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
  const deploy = (index: number): Promise<number> =>
    inTurn({ turns, limits }, asAppId("app_a"), async () => {
      started.push(index);
      await ends[index]?.promise;
      if (index === 1) throw new Error("failed");
      return index;
    });
  const running = [0, 1, 2, 3].map(deploy);
  const failure = running[1]?.catch((error: unknown) => error);
  await expect(deploy(4)).rejects.toMatchObject({ code: "overloaded", options: { retry_after_s: 5 } });
  expect(started).toEqual([0, 1]);
  // One that fails gives its turn to the next, too.
  ends[1]?.resolve();
  expect(await failure).toMatchObject({ message: "failed" });
  expect(started).toEqual([0, 1, 2]);
  ends[0]?.resolve();
  ends[2]?.resolve();
  ends[3]?.resolve();
  expect(await Promise.all([running[0], running[2], running[3]])).toEqual([0, 2, 3]);
  ends[5]?.resolve();
  expect(await deploy(5)).toBe(5);
  expect(turns).toEqual({ running: [], waiting: [] });
});

it("an app with slow deployments delays its own, and not those of other apps", async () => {
  const turns: Turns = { running: [], waiting: [] };
  const limits = {
    function_deploys: 2,
    function_deploys_per_app: 1,
    function_deploys_waiting: 4,
    function_deploys_waiting_per_app: 2,
  };
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const deploy = (app: string): Promise<void> =>
    inTurn({ turns, limits }, asAppId(app), async () => {
      started.push(app);
      await new Promise<void>((resolve) => ends.push(resolve));
    });
  const slow = ["app_slow", "app_slow", "app_slow"].map(deploy);
  await expect(deploy("app_slow")).rejects.toMatchObject({ code: "overloaded" });
  const others = ["app_a", "app_b"].map(deploy);
  expect(started).toEqual(["app_slow", "app_a"]);
  ends[1]?.();
  await others[0];
  // app_b came after two of app_slow, whose first one still runs.
  expect(started).toEqual(["app_slow", "app_a", "app_b"]);
  ends[2]?.();
  await others[1];
  for (const index of [0, 3, 4]) {
    await expect.poll(() => ends.length).toBeGreaterThan(index);
    ends[index]?.();
  }
  await Promise.all(slow);
  expect(turns).toEqual({ running: [], waiting: [] });
});
