/** Decides where a management command works, and opens that place once per command. */
import { withInstallation } from "./local.ts";
import { localManagement } from "./local-management.ts";
import type { ManagementApi } from "./management-api.ts";
import { remoteManagement } from "./remote-management.ts";
import { resolveTarget, type TargetFlags } from "./target.ts";

/**
 * Runs a command's calls against its target. A local installation is opened once for all of them.
 */
export async function withManagement<T>(flags: TargetFlags, action: (api: ManagementApi) => Promise<T>): Promise<T> {
  const target = resolveTarget(flags);
  if (target.kind === "remote") return action(remoteManagement(target.remote));
  return withInstallation(target.flags, (installation) => action(localManagement(installation)));
}
