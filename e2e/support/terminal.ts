/** A command on a pseudo-terminal, as a person has it: prompts appear, keys are pressed, a browser is opened. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { onTestFinished } from "vitest";

/** A machine that does several things at once is slow; a prompt that never comes is a failure that shows what there was. */
const PATIENCE_MS = 30_000;

export interface Terminal {
  /** Everything shown so far, without the codes that steer the screen. */
  shown(): string;
  /** Resolves when it shows `pattern`. */
  until(pattern: RegExp): Promise<void>;
  press(keys: string): void;
  /** The address that was handed to the system's browser. */
  opened(): Promise<string>;
  /** The exit code. */
  readonly ended: Promise<number | null>;
}

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** `script` (util-linux) gives the command a terminal of its own and passes our keys on. */
export function openTerminal(command: readonly string[], { cwd, env }: TerminalOptions): Terminal {
  const bin = join(cwd, "bin");
  const log = join(cwd, "opened.txt");
  mkdirSync(bin, { recursive: true });
  // The first that is found in PATH: what would open a window notes the address instead.
  writeFileSync(join(bin, "xdg-open"), `#!/bin/sh\nprintf '%s\\n' "$1" >> '${log}'\n`, { mode: 0o755 });
  const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  // A new terminal is no column wide, and prompts break each line after a letter.
  const child = spawn("script", ["-qefc", `stty cols 120 rows 40; exec ${line}`, "/dev/null"], {
    cwd,
    env: { ...env, PATH: `${bin}:${env["PATH"] ?? ""}`, TERM: "xterm", SHELL: "/bin/sh" },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  const ended = once(child, "close").then(() => child.exitCode);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  // oxlint-disable-next-line no-control-regex -- the codes that steer a terminal begin with one
  const shown = (): string => output.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
  return {
    shown,
    async until(pattern) {
      const until_ms = performance.now() + PATIENCE_MS;
      while (!pattern.test(shown())) {
        const over = child.exitCode !== null ? "ended" : performance.now() > until_ms ? "stands still" : null;
        if (over !== null) throw new Error(`It ${over} without showing ${String(pattern)}:\n${shown()}`);
        await delay(20);
      }
    },
    press: (keys) => void child.stdin.write(keys),
    async opened() {
      const until_ms = performance.now() + PATIENCE_MS;
      while (!existsSync(log) || !readFileSync(log, "utf8").endsWith("\n")) {
        if (performance.now() > until_ms) throw new Error(`Nothing was opened:\n${shown()}`);
        await delay(20);
      }
      return readFileSync(log, "utf8").trim();
    },
    ended,
  };
}
