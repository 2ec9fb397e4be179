/**
 * The public `base44` command line as published in the registry, with a HOME of its own and none of
 * the caller's variables. It touches nothing but the server under test.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { parseJson, type Json } from "./json.ts";

export const BASE44 = join(dirname(fileURLToPath(import.meta.resolve("base44/package.json"))), "bin", "run.js");

export interface Base44Options {
  readonly server_url: string;
  /** HOME, and the working directory unless `cwd` is set. */
  readonly home: string;
  readonly cwd?: string;
  readonly api_key?: string;
  readonly stdin?: string;
  /** Further variables. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Base44Ended {
  readonly exit_code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function base44Environment({ server_url, home, api_key, env = {} }: Base44Options): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    TMPDIR: home,
    BASE44_API_URL: server_url,
    BASE44_DISABLE_TELEMETRY: "1",
    BASE44_CLI_TEST_OVERRIDES: JSON.stringify({ latestVersion: null }),
    ...(api_key === undefined ? {} : { BASE44_API_KEY: api_key }),
    ...env,
  };
}

export interface Base44Running {
  readonly output: { readonly stdout: string; readonly stderr: string };
  readonly ended: Promise<Base44Ended>;
}

/** Starts a command that waits for input. It is killed when the test ends. */
export function startBase44(args: readonly string[], options: Base44Options): Base44Running {
  const { home, cwd = home, stdin = "" } = options;
  mkdirSync(cwd, { recursive: true });
  const child = spawn(process.execPath, [BASE44, ...args], { cwd, env: base44Environment(options) });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output.stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output.stderr += chunk));
  child.stdin.end(stdin);
  const ended = once(child, "close").then(() => ({ ...output, exit_code: child.exitCode }));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { output, ended };
}

export const base44 = (args: readonly string[], options: Base44Options): Promise<Base44Ended> =>
  startBase44(args, options).ended;

/** Runs a command with `--json` and returns the one document on stdout. */
export async function base44Json(
  args: readonly string[],
  options: Base44Options,
): Promise<{ readonly exit_code: number | null; readonly document: Json }> {
  const { exit_code, stdout, stderr } = await base44([...args, "--json"], options);
  try {
    return { exit_code, document: parseJson(stdout) };
  } catch {
    throw new Error(`base44 ${args.join(" ")} printed no document: ${stdout}${stderr}`);
  }
}
