/**
 * `npm run examples`: deploys the project in examples/ with the unmodified public command line,
 * calls each function, and compares what happened with examples/expected.json. Prints a table.
 * Exits with 1 if anything differs.
 *
 * `--expected FILE` compares with another file.
 */
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  callDifferences,
  changesSince,
  replyDifferences,
  stateDifferences,
  type ActualChange,
  type ActualReply,
} from "./compare.ts";
import { readExpected, type ExpectedFunction, type ExpectedRun } from "./expected.ts";
import { perform } from "./perform.ts";
import { openStage, type Stage } from "./stage.ts";
import { tableOf, type RunResult } from "./table.ts";

const PROJECT = fileURLToPath(new URL("../../examples", import.meta.url));
/** Work that a function leaves to `waitUntil` ends after its reply, but not long after it. */
const SETTLE_MS = 10_000;

const { values: flags } = parseArgs({ options: { expected: { type: "string" } } });
const expected = readExpected(flags.expected ?? `${PROJECT}/expected.json`);
try {
  process.exitCode = (await runAll()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

/** Returns true if everything was as expected. */
async function runAll(): Promise<boolean> {
  await using stage = await openStage(PROJECT);
  await stage.base44("secrets", "set", "--env-file", "secrets.env");
  await stage.base44("deploy", "-y");
  await stage.connect();
  const results: RunResult[] = [];
  for (const one of expected.functions) for (const run of one.runs) results.push(await runOne(stage, one, run));
  const is_same = results.every(({ differences }) => differences.length === 0);
  if (!is_same) console.error(stage.log());
  console.log(tableOf(PROJECT, expected, results));
  return is_same;
}

async function runOne(on: Stage, { name }: ExpectedFunction, run: ExpectedRun): Promise<RunResult> {
  const before = observe(on);
  const token = run.as === "none" || run.as === "schedule" ? null : await on.users.tokenOf(run.as, expected.user);
  const { server_url, app_id } = on;
  const failed: string[] = [];
  let reply: ActualReply | null = null;
  if (run.action.kind === "schedule") await on.nextWorkingDay(run.action.hour);
  else
    try {
      reply = await perform({ server_url, app_id, function_name: name, token }, run);
    } catch (error) {
      failed.push(`the call failed: ${String(error)}`);
    }
  const { calls, changes } = await settled(on, before, run);
  return {
    function_name: name,
    title: run.title,
    calls: calls.length,
    changes: changes.length,
    differences: [
      ...failed,
      ...(run.reply === null || reply === null ? [] : replyDifferences(forApp(run.reply, app_id), reply)),
      ...callDifferences(run.calls, calls),
      ...stateDifferences(run.state, changes),
    ],
  };
}

/** Fills in the app's id, which the file cannot know. */
function forApp<T extends { readonly body: unknown }>(reply: T, app_id: string): T {
  const body: unknown = JSON.parse(JSON.stringify(reply.body ?? null).replaceAll("{app_id}", app_id));
  return { ...reply, body: reply.body === undefined ? undefined : body };
}

interface Observed {
  readonly calls: readonly string[];
  readonly changes: readonly ActualChange[];
}

/** Returns the API calls that were replied to, and the changed objects so far. */
function observe({ simulator }: Stage): Observed {
  const { calls, objects } = simulator.state();
  return {
    calls: calls
      .filter(({ status }) => status !== null)
      .map(({ method, host, path }) => `${method} ${host}${decodeURIComponent(path)}`),
    changes: objects,
  };
}

/** Returns what happened since `before`, as soon as all expected calls have arrived. */
async function settled(on: Stage, before: Observed, run: ExpectedRun): Promise<Observed> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const now = observe(on);
    const calls = now.calls.slice(before.calls.length);
    if (calls.length >= run.calls.length || performance.now() > deadline)
      return { calls, changes: changesSince(before.changes, now.changes) };
    await delay(20);
  }
}
