/** Chooses between the server's data and a remote server, and opens it once per command. */
import { resolveApp } from "../remote/app.ts";
import { withInstallation } from "../remote/local.ts";
import { localManagement } from "../remote/local-management.ts";
import { remoteManagement } from "../remote/remote-management.ts";
import { resolveTarget, type TargetFlags } from "../remote/target.ts";
import type { FunctionsApi } from "./api.ts";
import { localFunctions } from "./local-api.ts";
import { remoteFunctions } from "./remote-api.ts";

export interface AppFlags extends TargetFlags {
  readonly json?: boolean;
  /** An id or a name. */
  readonly app: string;
}

/**
 * Runs a command's calls against its target. A local installation is opened once for all of them.
 */
export async function withFunctions<T>(flags: AppFlags, action: (api: FunctionsApi) => Promise<T>): Promise<T> {
  const { app } = flags;
  const target = resolveTarget(flags);
  if (target.kind === "remote")
    return action(remoteFunctions(target.remote, await resolveApp(remoteManagement(target.remote), app)));
  return withInstallation(target.flags, async (installation) =>
    action(localFunctions(installation, await resolveApp(localManagement(installation), app))),
  );
}
