import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { FAULT_NAMES } from "../sim/faults.ts";
import { PLANTS, plantsWithoutPlace } from "../sim/plants.ts";

const COMMAND = fileURLToPath(new URL("../sim/run.ts", import.meta.url));
const REGRESSIONS = new URL("../sim/regressions.json", import.meta.url);
const LIMIT_MS = 60_000;
/**
 * `npm test` does one trip of each heavy suite. Every kind of fault occurs within 2,000 seeds, and
 * most within 500.
 */
const SEEDS = process.env["TESTS"] === "all" ? 2_000 : 500;
const FAULT_KINDS = SEEDS === 2_000 ? FAULT_NAMES.length : 50;
/** The plant that the fewest seeds reveal. */
const FIRST_PLANT = "no_intent";

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly last: unknown;
}

/** Runs the command in a process of its own, because planted bugs change sources as they load. */
function simulate(...args: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["-C", "holdfast-source", COMMAND, ...args]);
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    child.once("error", reject);
    child.once("close", (code) => {
      const line = output.trimEnd().split("\n").at(-1) ?? "";
      if (!line.startsWith("{")) return reject(new Error(`The simulation ended with ${code}:\n${output}${errors}`));
      resolve({ code, output, last: JSON.parse(line) });
    });
  });
}

/** Returns the lines that a failure report needs. */
function failuresOf({ output }: Run): readonly string[] {
  return output.split("\n").filter((line) => /^(Seed \d+ failed|  faults):? /.test(line));
}

function regressions(): readonly { readonly seed: number; readonly found: string }[] {
  const list: unknown = JSON.parse(readFileSync(REGRESSIONS, "utf8"));
  if (!Array.isArray(list)) throw new Error("The regressions are not a list.");
  return list.map((entry: { seed: number; found: string }) => ({ seed: entry.seed, found: entry.found }));
}

describe("the simulation of the refresh engine", () => {
  it(`finds nothing in ${SEEDS} seeds`, { timeout: 3 * LIMIT_MS }, async () => {
    const run = await simulate("--seeds", String(SEEDS));
    expect([run.last, failuresOf(run)]).toMatchObject([
      { seeds: SEEDS, fault_kinds: expect.toSatisfy((kinds: number) => kinds >= FAULT_KINDS) as unknown, failures: 0 },
      [],
    ]);
    expect(FAULT_NAMES.length).toBeGreaterThanOrEqual(25);
    expect(run.code).toBe(0);
  });

  it("has a place in the sources for each planted bug", () => {
    expect(plantsWithoutPlace()).toEqual([]);
  });

  for (const name of Object.keys(PLANTS)) {
    const tags = name === FIRST_PLANT ? [] : ["all"];
    it(`finds the planted bug ${name} within 2,000 seeds`, { timeout: LIMIT_MS, tags }, async () => {
      const run = await simulate("--seeds", "2000", "--plant", name);
      expect(failuresOf(run)).not.toEqual([]);
      expect(run.code).toBe(1);
    });
  }

  for (const [index, { seed, found }] of regressions().toReversed().entries()) {
    const tags = index === 0 ? [] : ["all"];
    it(`holds for seed ${seed}: ${found}`, { timeout: LIMIT_MS, tags }, async () => {
      const run = await simulate("--seed", String(seed));
      expect([run.last, failuresOf(run)]).toMatchObject([{ seeds: 1, failures: 0 }, []]);
    });
  }

  it("gives the same run for the same seed", { timeout: LIMIT_MS }, async () => {
    const [once, again] = await Promise.all([simulate("--seed", "42", "--trace"), simulate("--seed", "42", "--trace")]);
    expect(again.output).toBe(once.output);
  });
});
