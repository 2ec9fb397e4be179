/** Decides where a command's connectors are, and opens that place once per command. */
import { CodedError } from "../../core/errors.ts";
import { resolveApp } from "../remote/app.ts";
import { withInstallation } from "../remote/local.ts";
import { localManagement } from "../remote/local-management.ts";
import { remoteManagement } from "../remote/remote-management.ts";
import { resolveTarget, type TargetFlags } from "../remote/target.ts";
import type { ConnectorsApi } from "./api.ts";
import { localConnectors } from "./local-api.ts";
import { remoteConnectors } from "./remote-api.ts";

export const AS = [
  "--as <email>",
  "on the server's machine: the member who will open the link (default: the workspace's first owner)",
] as const;

export interface AppFlags extends TargetFlags {
  readonly json?: boolean;
  /** An id or a name. */
  readonly app: string;
  /** On the server's machine: the email address of the member who will open the links. */
  readonly as?: string;
}

/**
 * Runs a command's calls against its target. A local installation is opened once for all of them.
 */
export async function withConnectors<T>(flags: AppFlags, action: (api: ConnectorsApi) => Promise<T>): Promise<T> {
  const { app, as } = flags;
  const target = resolveTarget(flags);
  if (target.kind === "local")
    return withInstallation(target.flags, async (installation) =>
      action(localConnectors(installation, await resolveApp(localManagement(installation), app), as)),
    );
  if (as === undefined)
    return action(remoteConnectors(target.remote, await resolveApp(remoteManagement(target.remote), app)));
  const message = "--as works on the server's machine only. On other machines the link is for the signed-in user.";
  throw new CodedError("usage", { message });
}
