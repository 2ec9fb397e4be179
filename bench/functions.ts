/**
 * Measures backend functions on this machine: the first byte of a cold start, the overhead of a
 * warm call beyond the function's own process, and the effect of hostile functions on other apps.
 *
 * Figures depend on the machine and its load, which are printed with them. Each figure is compared
 * with a measurement of the same run, and nothing here is a test.
 *
 *     npm run bench:functions
 */
import { loadavg, cpus } from "node:os";
import { callDirectly } from "./direct.ts";
import { percentile, startDemo, type Demo } from "./demo.ts";

const COLD_STARTS = 30;
const WARM_CALLS = 5_000;
const BOMBS = 8;
const READS = 2_000;

const HELLO = `Deno.serve(() => new Response("hello"));`;
/** Computes on every thread that it gets, and allocates outside the heap. */
const BOMB = `Deno.serve(async () => {
  const all = [];
  for (let round = 0; ; round += 1) {
    all.push(new Uint8Array(1_000_000).fill(round));
    for (let step = 0; step < 5e6; step += 1) Math.sqrt(step);
    if (all.length > 100) all.length = 0;
  }
});`;

const demo = await startDemo();
try {
  print("machine", `${cpus().length} cores, ${cpus()[0]?.model ?? "?"}, load ${load()}`);
  await coldStarts(demo);
  await warmCalls(demo);
  await bombs(demo);
  print("load after", load());
} finally {
  await demo.stop();
}

async function coldStarts({ app, deploy, call }: Demo): Promise<void> {
  const times: number[] = [];
  for (let index = 0; index < COLD_STARTS; index += 1) {
    await deploy(app, `cold${index}`, `${HELLO} // ${index}`);
    const started_ms = performance.now();
    await call(app, `cold${index}`);
    times.push(performance.now() - started_ms);
  }
  print(
    "cold start, first byte",
    `median ${percentile(times, 50)} ms, p95 ${percentile(times, 95)} ms, of ${COLD_STARTS}`,
  );
}

/** Pairs of a call through the server and a call to the same program in the same sandbox. */
async function warmCalls({ app, deploy, call }: Demo): Promise<void> {
  await deploy(app, "warm", HELLO);
  await using direct = await callDirectly(HELLO);
  const through: number[] = [];
  const beside: number[] = [];
  for (let index = -500; index < WARM_CALLS; index += 1) {
    const started_ms = performance.now();
    await call(app, "warm");
    const middle_ms = performance.now();
    await direct.call();
    const ended_ms = performance.now();
    if (index < 0) continue;
    through.push(middle_ms - started_ms);
    beside.push(ended_ms - middle_ms);
  }
  const extra = through.map((time, index) => time - (beside[index] ?? 0));
  print(
    "warm call",
    `through Holdfast ${percentile(through, 50)} ms, its sandboxed child ${percentile(beside, 50)} ms, difference ${percentile(extra, 50)} ms (medians of ${WARM_CALLS} pairs)`,
  );
}

async function bombs({ app, other_app, deploy, call, getConnection }: Demo): Promise<void> {
  const idle = await reads(getConnection);
  for (let index = 0; index < BOMBS; index += 1) await deploy(other_app, `bomb${index}`, `${BOMB} // ${index}`);
  const over = new AbortController();
  const running = Array.from({ length: BOMBS }, async (_, index) => {
    while (!over.signal.aborted) await call(other_app, `bomb${index}`).catch(() => {});
  });
  const under = await reads(getConnection);
  over.abort();
  const [before, during] = [idle, under].map((times) => percentile(times, 99));
  print(
    `getConnection of ${app.app_id === other_app.app_id ? "the same" : "another"} app, p99`,
    `idle ${before} ms, under ${BOMBS} bombs ${during} ms, ratio ${(Number(during) / Number(before)).toFixed(2)}`,
  );
  await Promise.all(running);
}

async function reads(getConnection: () => Promise<void>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let index = 0; index < READS; index += 1) {
    const started_ms = performance.now();
    await getConnection();
    times.push(performance.now() - started_ms);
  }
  return times;
}

function load(): string {
  return loadavg()
    .map((average) => average.toFixed(1))
    .join(" ");
}

function print(name: string, value: string): void {
  process.stdout.write(`${name}: ${value}\n`);
}
