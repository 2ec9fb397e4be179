/**
 * The command of the simulation. Runs seeds on two threads and prints the history of each seed that
 * fails. The last line is JSON: `{"seeds", "fault_kinds", "invariants_checked", "failures"}`. Exits
 * with 1 if a seed failed.
 *
 *   npm run sim -- --seeds 10000 [--from 1] [--plant NAME] [--threads N]
 *   npm run sim -- --seed 4711 --trace
 *   npm run sim -- --model [--seeds 3000]
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { FaultName } from "./faults.ts";
import { isPlant, plant, PLANTS, shows, type PlantName } from "./plants.ts";

interface Failure {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly faults: readonly string[];
  readonly history: readonly string[];
}

export interface Batch {
  readonly seeds: number;
  readonly kinds: readonly FaultName[];
  readonly checks: number;
  readonly failures: readonly Failure[];
}

interface Job {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly plant: PlantName | null;
}

const HISTORY_LINES = 60;
const FAILURES_SHOWN = 5;

if (isMainThread) await main();
else await work();

async function work(): Promise<void> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- main() below passes it.
  const job = workerData as Job;
  if (job.plant !== null) plant(job.plant);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window.
  parentPort?.postMessage(await runSeeds(job));
}

async function runSeeds({ from, to, step, plant: planted }: Job): Promise<Batch> {
  // After the plant, because it changes modules that these import.
  const [{ openSharedDatabase }, { runEpisode }, { planOf }] = await Promise.all([
    import("./database.ts"),
    import("./episode.ts"),
    import("./plan.ts"),
  ]);
  const shared = await openSharedDatabase();
  const kinds = new Set<FaultName>();
  const failures: Failure[] = [];
  let checks = 0;
  let seeds = 0;
  for (let seed = from; seed < to; seed += step) {
    const outcome = await runEpisode(shared, planOf(seed), false);
    seeds += 1;
    checks += outcome.checks;
    for (const kind of outcome.counts.keys()) kinds.add(kind);
    if (outcome.violations.length === 0) continue;
    if (planted !== null && !outcome.violations.some((violation) => shows(planted, violation))) continue;
    // Runs the same seed again for its history.
    const traced = failures.length < FAILURES_SHOWN ? await runEpisode(shared, planOf(seed), true) : outcome;
    failures.push({
      seed,
      violations: outcome.violations,
      faults: [...outcome.counts].map(([name, count]) => `${name} ${count}`),
      history: traced.history.slice(-HISTORY_LINES),
    });
    // The first failure that shows the planted bug is enough.
    if (planted !== null) break;
  }
  return { seeds, kinds: [...kinds], checks, failures };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      trace: { type: "boolean", default: false },
      plant: { type: "string" },
      threads: { type: "string" },
      model: { type: "boolean", default: false },
    },
  });
  const planted = values.plant ?? null;
  if (planted !== null && !isPlant(planted))
    throw new Error(`There is no plant ${planted}. Plants: ${Object.keys(PLANTS).join(", ")}.`);
  if (values.model) {
    const { printModel } = await import("./model.ts");
    await printModel(numberOf(values.seeds ?? "3000"));
    return;
  }
  if (values.seed !== undefined) return runOne(numberOf(values.seed), planted, values.trace);
  const from = numberOf(values.from);
  const batches = await onThreads(
    numberOf(values.threads ?? String(Math.min(2, availableParallelism()))),
    from,
    from + numberOf(values.seeds ?? "1000"),
    planted,
  );
  report(batches);
}

function onThreads(threads: number, from: number, to: number, planted: PlantName | null): Promise<Batch[]> {
  return Promise.all(
    Array.from({ length: threads }, (_, thread) => {
      const job: Job = { from: from + thread, to, step: threads, plant: planted };
      return new Promise<Batch>((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), { workerData: job });
        worker.once("message", resolve);
        worker.once("error", reject);
      });
    }),
  );
}

function report(batches: readonly Batch[]): void {
  const failures = batches.flatMap((batch) => batch.failures).toSorted((a, b) => a.seed - b.seed);
  for (const failure of failures.slice(0, FAILURES_SHOWN)) print(failure);
  if (failures.length > FAILURES_SHOWN) {
    const rest = failures.slice(FAILURES_SHOWN);
    process.stdout.write(`And ${rest.length} more:\n`);
    for (const { seed, violations } of rest) process.stdout.write(`  ${seed} ${violations[0] ?? ""}\n`);
  }
  const sum = (pick: (batch: Batch) => number): number => batches.reduce((total, batch) => total + pick(batch), 0);
  process.stdout.write(
    `${JSON.stringify({
      seeds: sum(({ seeds }) => seeds),
      fault_kinds: new Set(batches.flatMap(({ kinds }) => kinds)).size,
      invariants_checked: sum(({ checks }) => checks),
      failures: failures.length,
    })}\n`,
  );
  if (failures.length > 0) process.exitCode = 1;
}

function print({ seed, violations, faults, history }: Failure): void {
  process.stdout.write(`Seed ${seed} failed: ${violations.join("; ")}\n  faults: ${faults.join(", ")}\n`);
  for (const line of history) process.stdout.write(`  ${line}\n`);
}

async function runOne(seed: number, planted: PlantName | null, trace: boolean): Promise<void> {
  if (planted !== null) plant(planted);
  const [{ openSharedDatabase }, { runEpisode }, { planOf }] = await Promise.all([
    import("./database.ts"),
    import("./episode.ts"),
    import("./plan.ts"),
  ]);
  const outcome = await runEpisode(await openSharedDatabase(), planOf(seed), true);
  const { profile, ...plan } = planOf(seed);
  process.stdout.write(`${JSON.stringify(plan)}\n`);
  const drawn = Object.entries(profile).filter(([, rate]) => rate > 0);
  process.stdout.write(`${drawn.map(([name, rate]) => `${name} ${rate}`).join(", ")}\n`);
  if (trace) for (const line of outcome.history) process.stdout.write(`${line}\n`);
  const faults = [...outcome.counts].map(([name, count]) => `${name} ${count}`);
  const failures =
    outcome.violations.length === 0 ? [] : [{ seed, violations: outcome.violations, faults, history: [] }];
  report([{ seeds: 1, kinds: [...outcome.counts.keys()], checks: outcome.checks, failures }]);
}

function numberOf(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`${text} is not a whole number.`);
  return number;
}
