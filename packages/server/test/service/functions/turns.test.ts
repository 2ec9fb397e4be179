import { expect, it } from "vitest";
import { inTurn, type Turns } from "../../../src/service/functions/turns.ts";

it("lets two deployments run, two wait in their order, and refuses the next", async () => {
  const turns: Turns = { running: 0, waiting: [] };
  const limits = { function_deploys: 2, function_deploys_waiting: 2 };
  const started: number[] = [];
  const ends = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
  const deploy = (index: number): Promise<number> =>
    inTurn({ turns, limits }, async () => {
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
  expect(turns).toEqual({ running: 0, waiting: [] });
});
