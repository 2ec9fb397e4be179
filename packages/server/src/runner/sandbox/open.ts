/** Opens a working sandbox, or reports what is missing. */
import { probe, unavailable } from "./probe.ts";
import { createSandbox, type SandboxOptions } from "./sandbox.ts";
import type { Sandbox } from "./types.ts";

/**
 * Returns a sandbox whose isolation was attacked and held. With isolation `none`, nothing is
 * checked.
 *
 * @throws CodedError `functions_isolation_unavailable` that says what to install or to allow
 */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  if (options.isolation === "none") return createSandbox(options);
  if (process.platform !== "linux") throw unavailable("It needs Linux.");
  const sandbox = createSandbox(options);
  try {
    await probe(sandbox);
    return sandbox;
  } catch (error) {
    await sandbox.close();
    throw error;
  }
}
