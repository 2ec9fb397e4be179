/**
 * The loss table: how many connections are lost when one kind of fault strikes far more often than in life, for each rotation
 * class. Three thousand episodes to a cell, each with its own seed, so that every figure can be had again.
 */
import type { RotationClass } from "../../src/providers/provider.ts";
import { openSharedDatabase } from "./database.ts";
import { runEpisode, type Plan } from "./episode.ts";
import { profileOf, type FaultName } from "./faults.ts";

const CELLS: readonly { readonly name: string; readonly strikes: Partial<Record<FaultName, number>> }[] = [
  { name: "crash, 3 % per step", strikes: { crash: 0.03 } },
  { name: "answer lost, 10 %", strikes: { answer_lost: 0.1 } },
  { name: "database down after the request", strikes: { database_down_after_send: 0.3 } },
  { name: "pause of up to 90 s, 5 % per step", strikes: { pause_up_to_90s: 0.05 } },
  {
    name: "all together",
    strikes: { crash: 0.03, answer_lost: 0.1, database_down_after_send: 0.3, pause_up_to_90s: 0.05 },
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

/** A token that has just ended is refreshed among faults, and then there is quiet. */
function episodeOf(seed: number, rotation: RotationClass, strikes: Partial<Record<FaultName, number>>): Plan {
  return {
    seed,
    rotation,
    grace_ms: 60_000,
    access_ms: 120_000,
    connections: 1,
    faulty_ms: 40_000,
    profile: profileOf(strikes),
    ages: [1.2],
    ends_early: false,
  };
}

async function runModel(episodes: number): Promise<Cell[]> {
  const shared = await openSharedDatabase();
  const cells: Cell[] = [];
  for (const [row, { name, strikes }] of CELLS.entries()) {
    for (const [column, rotation] of CLASSES.entries()) {
      const first_seed = 1 + (row * CLASSES.length + column) * episodes;
      let lost = 0;
      const violations: string[] = [];
      for (let seed = first_seed; seed < first_seed + episodes; seed += 1) {
        const outcome = await runEpisode(shared, episodeOf(seed, rotation, strikes), false);
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
