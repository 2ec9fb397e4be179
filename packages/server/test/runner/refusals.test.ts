import { expect, it } from "vitest";
import { createRefusals } from "../../src/runner/refusals.ts";
import { manualClock } from "../support/clock.ts";

it("refused connections are reported up to sixty a minute, and then how many more there were", async () => {
  const clock = manualClock();
  const lines: string[] = [];
  const report = createRefusals(clock, (line) => lines.push(line));
  for (let count = 0; count < 1_000; count += 1) report(`10.0.0.1:${count}`, "it is private");
  expect(lines).toHaveLength(60);
  expect(lines[0]).toBe("function_egress_refused: the function cannot connect to 10.0.0.1:0, because it is private.");
  await clock.advance(60_000);
  expect(lines.slice(60)).toEqual(["function_egress_refused: 940 more connections were refused in this minute."]);
  report("x".repeat(10_000), "it is long");
  await clock.advance(60_000);
  expect(lines).toHaveLength(62);
  expect(lines[61]?.length).toBeLessThan(400);
});
