/** Opens the user's browser. The package `open` knows the desktops, WSL and containers. */
import { once } from "node:events";
import { wait } from "./wait.ts";

/** An opener that finds no browser exits sooner than this. */
const FAILURE_MS = 500;

/** Returns false if no browser was found. Whether a window appears is unknown. */
export async function openBrowser(address: string, failure_ms = FAILURE_MS): Promise<boolean> {
  // Other schemes can start programs.
  if (!/^https?:\/\//.test(address)) return false;
  const { default: open } = await import("open");
  try {
    const opener = await open(address);
    await Promise.race([once(opener, "exit"), wait(failure_ms)]);
    return opener.exitCode === null || opener.exitCode === 0;
  } catch {
    return false;
  }
}
