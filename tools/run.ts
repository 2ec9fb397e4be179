/** Runs the repository's own programs. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./root.ts";

/**
 * Runs a program of node_modules in a folder and returns its standard output. The exit
 * code does not matter: linters and compilers exit with 1 when they find something.
 *
 * @throws Error when the program cannot be started
 */
export async function outputOf(program: string, options: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, "node_modules", program), ...options], {
    cwd,
    maxBuffer: 67_108_864,
  }).catch((error: unknown) => {
    if (typeof error === "object" && error !== null && "stdout" in error) return { stdout: String(error.stdout) };
    throw error;
  });
  return stdout;
}
