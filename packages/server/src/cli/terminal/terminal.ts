/** The person at a terminal: asking, opening a browser, progress. Without a terminal nothing is asked and nothing moves. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline/promises";
import { ApiError } from "../../core/errors.ts";

/** Somebody reads what is printed and can answer. */
export const isInteractive = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/** Ctrl-C while a question is open ends the command, as everywhere else. */
export async function confirm(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.once("SIGINT", () => process.exit(130));
  try {
    return /^y(?:es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}

/**
 * Before something is replaced or deleted: a person is asked, a program must have said `--yes`.
 *
 * @throws ApiError `usage`
 */
export async function confirmOrYes(yes: boolean, what: string): Promise<boolean> {
  if (yes) return true;
  if (isInteractive()) return confirm("Go on?");
  throw new ApiError("usage", { message: `${what} Nothing was done. To do it without being asked: --yes` });
}

const OPENERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Whether a program to open it was found; whether a window came up nobody says. */
export function openBrowser(address: string): Promise<boolean> {
  // No other scheme is handed to the system: some start programs.
  if (!/^https?:\/\//.test(address)) return Promise.resolve(false);
  const [command, ...args] = OPENERS[process.platform] ?? ["xdg-open"];
  return new Promise((resolve) => {
    const child = spawn(command, [...args, address], { stdio: "ignore", detached: true });
    child.once("error", () => resolve(false));
    child.once("spawn", () => {
      child.unref();
      resolve(true);
    });
  });
}
