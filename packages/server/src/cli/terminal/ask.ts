/** Asks the user at a terminal. Without a terminal, asks nothing. */
import { createInterface } from "node:readline/promises";
import { CodedError } from "../../core/errors.ts";

/** Reports whether a user reads the messages and can answer. */
export const isInteractive = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/** Asks a yes-or-no question. Ctrl-C ends the command. */
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
 * Asks before a command replaces or deletes something, unless the user passed `--yes`. A program
 * must pass it.
 *
 * @throws CodedError `usage`
 */
export async function confirmOrYes(yes: boolean, consequence: string): Promise<boolean> {
  if (yes) return true;
  if (isInteractive()) return confirm("Continue?");
  throw new CodedError("usage", { message: `${consequence} Nothing was done. To do it without a question: --yes` });
}
