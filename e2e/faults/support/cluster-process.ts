/**
 * One server process: `holdfast serve` with the preload that adds points, and the controls for
 * tests.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson, type Json } from "../../support/json.ts";
import { COMPILE_CACHE, LAUNCHER } from "../../support/holdfast.ts";
import { parsePassed, type PassedPoint, type Plan } from "./points-plan.ts";

const PRELOAD = new URL("points-preload.ts", import.meta.url).href;

export interface Process {
  readonly pid: number;
  readonly ready: Json;
  readonly output: { readonly stdout: string; readonly stderr: string };
  signal(name: NodeJS.Signals): void;
  /** Resolves to the exit code, or null if a signal ended the process. */
  ended(): Promise<number | null>;
  hasEnded(): boolean;
  /** Sets the fault to inject, and its point. */
  arm(plan: Plan): void;
  /** Returns the points passed under this plan. */
  passed(id: string): readonly PassedPoint[];
}

export interface ProcessOptions {
  readonly home: string;
  readonly fault_file: string;
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly gateway: string;
}

/** Resolves when it listens. @throws StartError with its output if it exits instead. */
export async function startProcess({ home, fault_file, env, args, gateway }: ProcessOptions): Promise<Process> {
  mkdirSync(join(home, "tmp"), { recursive: true });
  // Removes the plan that an earlier process of this name died of.
  rmSync(fault_file, { force: true });
  const child = spawn(process.execPath, [LAUNCHER, "serve", "--json", ...args, "--provider-gateway", gateway], {
    cwd: home,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      TMPDIR: join(home, "tmp"),
      NODE_OPTIONS: `--import ${PRELOAD}`,
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      FAULT_FILE: fault_file,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output.stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output.stderr += chunk));
  const exit = once(child, "close").then(() => child.exitCode);
  const printed = new Promise<true>((resolve) => {
    child.stdout.on("data", () => {
      // An error is also a document on stdout. The process exits after it.
      if (/^\{"server_url".*\n/.test(output.stdout)) resolve(true);
    });
  });
  if ((await Promise.race([printed, exit])) !== true) {
    throw new StartError(child.exitCode, `holdfast exited with ${child.exitCode}:\n${output.stdout}${output.stderr}`);
  }
  if (!existsSync(`${fault_file}.log`)) {
    child.kill("SIGKILL");
    throw new Error("The process has no fault points: points-preload.ts does not match the import of refresh.ts.");
  }
  return {
    pid: child.pid ?? 0,
    ready: parseJson(output.stdout.split("\n", 1)[0] ?? ""),
    output,
    signal: (name) => void child.kill(name),
    ended: () => exit,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    arm(plan) {
      // Renamed, so the process never reads half a plan.
      writeFileSync(`${fault_file}.new`, JSON.stringify(plan));
      renameSync(`${fault_file}.new`, fault_file);
    },
    passed: (id) => (existsSync(`${fault_file}.log`) ? parsePassed(readFileSync(`${fault_file}.log`, "utf8"), id) : []),
  };
}

export class StartError extends Error {
  readonly exit_code: number | null;

  constructor(exit_code: number | null, message: string) {
    super(message);
    this.exit_code = exit_code;
  }
}
