/** `npm run examples`, as it is run from a shell. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "./support/temporary.ts";

const RUN = fileURLToPath(new URL("examples/run.ts", import.meta.url));
const EXPECTED = fileURLToPath(new URL("../examples/expected.json", import.meta.url));

/** Eighteen deployments and thirty calls, each with processes of its own. */
const RUN_MS = 300_000;

async function runExamples(...args: readonly string[]): Promise<{ exit_code: number | null; output: string }> {
  const child = spawn(process.execPath, ["-C", "holdfast-source", RUN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await closed;
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { exit_code: child.exitCode, output: `${stdout}${stderr}` };
}

it(
  "runs fifteen functions in the style of public ones, and each does what was written down before",
  { tags: "all", timeout: RUN_MS },
  async () => {
    const { exit_code, output } = await runExamples();
    expect(output).toContain("15 functions, 31 runs, 0 with differences");
    expect(output).not.toContain("DIFFERS");
    expect(exit_code).toBe(0);
  },
);

it(
  "fails on a reply, a call and a change that are not in the expected file",
  { tags: "all", timeout: RUN_MS },
  async () => {
    const file = join(temporaryDirectory(), "expected.json");
    const planted = readFileSync(EXPECTED, "utf8")
      .replace('"from": "an automation"', '"from": "a person"')
      .replace('"GET graph.microsoft.com/v1.0/me/messages"', '"GET graph.microsoft.com/v1.0/me/events"')
      .replace('"Good news: the build is green', '"Bad news: the build is green');
    writeFileSync(file, planted);
    const { exit_code, output } = await runExamples("--expected", file);
    expect(exit_code).toBe(1);
    expect(output).toContain("15 functions, 31 runs, 3 with differences");
    expect(output).toContain('body.from is "an automation", not "a person"');
    expect(output).toMatch(/it called \["GET graph\.microsoft\.com\/v1\.0\/me\/messages"\]/);
    expect(output).toMatch(/slack messages\.text is "Good news/);
  },
);
