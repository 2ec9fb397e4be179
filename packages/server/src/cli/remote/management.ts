/** Decides where a management command works, and opens that place once per command. */
import { resolveApp } from "./app.ts";
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

/** Runs a command's calls for the app that `--app` names. `action` gets its id. */
export async function withManagedApp<T>(
  flags: TargetFlags & { readonly app: string },
  action: (api: ManagementApi, app: string) => Promise<T>,
): Promise<T> {
  return await withManagement(flags, async (api) => action(api, await resolveApp(api, flags.app)));
}
