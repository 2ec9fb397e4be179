/**
 * `holdfast` as an operator runs it: a child process of the launcher, with a HOME of its own and
 * none of the caller's HOLDFAST_* variables. Nothing here reaches into the server. Tests see only
 * the output of a process.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { TEST_UIDS } from "../../packages/server/test/support/uids.ts";
import { parseJson, type Json } from "./json.ts";

export const LAUNCHER = fileURLToPath(new URL("../../packages/server/bin/holdfast.js", import.meta.url));

/**
 * Node's compile cache, shared by the hundreds of processes that a run starts. Node keys it by
 * version.
 */
export const COMPILE_CACHE = fileURLToPath(new URL("../../node_modules/.cache/holdfast-tests", import.meta.url));

export interface RunOptions {
  /** HOME and working directory. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Default: the Node that runs the tests. */
  readonly node?: string;
  /** User and group of the process, without further groups. Default: those of the tests. */
  readonly uid?: number;
}

export interface Ended {
  readonly exit_code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly took_ms: number;
}

/** Runs a command until it exits. */
export async function holdfast(args: readonly string[], options: RunOptions): Promise<Ended> {
  const started_at = performance.now();
  const { child, output } = launch(args, options);
  child.stdin?.end(options.stdin ?? "");
  await once(child, "close");
  return { ...output, exit_code: child.exitCode, took_ms: performance.now() - started_at };
}

export interface Started {
  readonly pid: number;
  readonly output: { readonly stdout: string; readonly stderr: string };
  signal(name: NodeJS.Signals): void;
  /** Resolves to the exit code, or null if a signal ended the process. */
  ended(): Promise<number | null>;
}

export interface Running extends Started {
  /** The first line on stdout. A long-running command prints it when it is ready. */
  readonly ready: Json;
}

/**
 * Starts a long-running command and waits for its document on stdout. It is killed when the test
 * ends.
 */
export async function startHoldfast(args: readonly string[], options: RunOptions): Promise<Running> {
  const started = await startInteractive([...args, "--json"], options, /\n/);
  return { ...started, ready: parseJson(started.output.stdout.split("\n", 1)[0] ?? "") };
}

/**
 * Starts a command that prints text. Ready when stdout matches `pattern`, or immediately without
 * one.
 */
export async function startInteractive(
  args: readonly string[],
  options: RunOptions,
  pattern?: RegExp,
): Promise<Started> {
  const { child, output } = launch(args, options);
  child.stdin?.end();
  const exit = once(child, "close").then(() => child.exitCode);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  const printed = new Promise<true>((resolve) => {
    if (pattern === undefined) resolve(true);
    child.stdout?.on("data", () => {
      if (pattern?.test(output.stdout) === true) resolve(true);
    });
  });
  if ((await Promise.race([printed, exit])) !== true)
    throw new Error(`holdfast ${args.join(" ")} exited with ${child.exitCode}:\n${output.stdout}${output.stderr}`);
  return { pid: child.pid ?? 0, output, signal: (name) => void child.kill(name), ended: () => exit };
}

function launch(
  args: readonly string[],
  { home, env = {}, node = process.execPath, uid }: RunOptions,
): { child: ChildProcess; output: { stdout: string; stderr: string } } {
  mkdirSync(join(home, "tmp"), { recursive: true });
  const child = spawn(node, [LAUNCHER, ...args], {
    cwd: home,
    ...(uid === undefined ? {} : { uid, gid: uid }),
    env: {
      PATH: process.env["PATH"] ?? "",
      HOLDFAST_FUNCTIONS_UIDS: `${TEST_UIDS.first}-${TEST_UIDS.last}`,
      HOME: home,
      TMPDIR: join(home, "tmp"),
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...env,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output.stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output.stderr += chunk));
  return { child, output };
}
