/**
 * The table of losses: how many connections are lost if one kind of fault is far more frequent than
 * in production, for each rotation class. Each cell has three thousand episodes, each with its own
 * seed, so that every figure can be reproduced.
 */
import type { RotationClass } from "../../src/providers/provider.ts";
import { openSharedDatabase } from "./database.ts";
import { runEpisode, type Plan } from "./episode.ts";
import { profileOf, type FaultName } from "./faults.ts";

const CELLS: readonly { readonly name: string; readonly rates: Partial<Record<FaultName, number>> }[] = [
  { name: "crash, 3 % per step", rates: { crash: 0.03 } },
  { name: "response lost, 10 %", rates: { response_lost: 0.1 } },
  { name: "database down after the request", rates: { database_down_after_send: 0.3 } },
  { name: "pause of up to 90 s, 5 % per step", rates: { pause_up_to_90s: 0.05 } },
  {
    name: "all together",
    rates: { crash: 0.03, response_lost: 0.1, database_down_after_send: 0.3, pause_up_to_90s: 0.05 },
  },
];
const CLASSES: readonly RotationClass[] = ["none", "grace", "strict"];

export interface Cell {
  readonly faults: string;
  readonly rotation: RotationClass;
  readonly episodes: number;
  readonly lost: number;
  readonly first_seed: number;
  readonly violations: readonly string[];
}

/** Refreshes a token that has just expired, with faults. Then the faults end. */
function episodeOf(seed: number, rotation: RotationClass, rates: Partial<Record<FaultName, number>>): Plan {
  return {
    seed,
    rotation,
    grace_ms: 60_000,
    access_ms: 120_000,
    connections: 1,
    faulty_ms: 40_000,
    profile: profileOf(rates),
    ages: [1.2],
    ends_early: false,
  };
}

async function runModel(episodes: number): Promise<Cell[]> {
  const shared = await openSharedDatabase();
  const cells: Cell[] = [];
  for (const [row, { name, rates }] of CELLS.entries()) {
    for (const [column, rotation] of CLASSES.entries()) {
      const first_seed = 1 + (row * CLASSES.length + column) * episodes;
      let lost = 0;
      const violations: string[] = [];
      for (let seed = first_seed; seed < first_seed + episodes; seed += 1) {
        const outcome = await runEpisode(shared, episodeOf(seed, rotation, rates), false);
        lost += outcome.lost;
        violations.push(...outcome.violations.map((violation) => `seed ${seed}: ${violation}`));
      }
      cells.push({ faults: name, rotation, episodes, lost, first_seed, violations });
    }
  }
  return cells;
}

export async function printModel(episodes: number): Promise<void> {
  const cells = await runModel(episodes);
  process.stdout.write(`| faults | class | episodes | lost | share | seeds |\n| --- | --- | --- | --- | --- | --- |\n`);
  for (const { faults, rotation, lost, first_seed } of cells) {
    const share = `${((lost * 100) / episodes).toFixed(2)} %`;
    const seeds = `${first_seed}–${first_seed + episodes - 1}`;
    process.stdout.write(`| ${faults} | ${rotation} | ${episodes} | ${lost} | ${share} | ${seeds} |\n`);
  }
  const violations = cells.flatMap((cell) => cell.violations);
  for (const violation of violations) process.stdout.write(`${violation}\n`);
  process.stdout.write(
    `${JSON.stringify({ cells: cells.length, episodes: episodes * cells.length, violations: violations.length })}\n`,
  );
  if (violations.length > 0) process.exitCode = 1;
}
