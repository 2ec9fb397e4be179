/** A command on a pseudo-terminal: prompts appear, keys are pressed, a browser is opened. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { onTestFinished } from "vitest";

/**
 * Long, because a busy machine is slow. A prompt that never comes fails with the screen's content.
 */
const PROMPT_TIMEOUT_MS = 30_000;

export interface Terminal {
  /** Returns everything shown so far, without terminal control codes. */
  shown(): string;
  /** Resolves when the screen matches `pattern`. */
  until(pattern: RegExp): Promise<void>;
  press(keys: string): void;
  /** Resolves to the address that was passed to the system's browser. */
  opened(): Promise<string>;
  /** Resolves to the exit code. */
  readonly ended: Promise<number | null>;
}

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Runs `command` under `script` (util-linux), which gives it a terminal of its own and passes on
 * our keys.
 */
export function openTerminal(command: readonly string[], { cwd, env }: TerminalOptions): Terminal {
  const bin = join(cwd, "bin");
  const log = join(cwd, "opened.txt");
  mkdirSync(bin, { recursive: true });
  // Instead of opening a window, this records the address. Openers find it as BROWSER or first in
  // PATH.
  const browser = join(bin, "xdg-open");
  writeFileSync(browser, `#!/bin/sh\nprintf '%s\\n' "$1" >> '${log}'\n`, { mode: 0o755 });
  const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  // A new terminal has no width, and prompts would break each line after one letter.
  const child = spawn("script", ["-qefc", `stty cols 120 rows 40; exec ${line}`, "/dev/null"], {
    cwd,
    env: { ...env, BROWSER: browser, PATH: `${bin}:${env["PATH"] ?? ""}`, TERM: "xterm", SHELL: "/bin/sh" },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  const ended = once(child, "close").then(() => child.exitCode);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  // oxlint-disable-next-line no-control-regex -- terminal control codes begin with one
  const shown = (): string => output.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
  return {
    shown,
    async until(pattern) {
      const deadline = performance.now() + PROMPT_TIMEOUT_MS;
      while (!pattern.test(shown())) {
        const problem = child.exitCode !== null ? "exited" : performance.now() > deadline ? "timed out" : null;
        if (problem !== null) throw new Error(`The command ${problem} without showing ${String(pattern)}:\n${shown()}`);
        await delay(20);
      }
    },
    press: (keys) => void child.stdin.write(keys),
    async opened() {
      const deadline = performance.now() + PROMPT_TIMEOUT_MS;
      while (!existsSync(log) || !readFileSync(log, "utf8").endsWith("\n")) {
        if (performance.now() > deadline) throw new Error(`The command opened no address:\n${shown()}`);
        await delay(20);
      }
      return readFileSync(log, "utf8").trim();
    },
    ended,
  };
}
