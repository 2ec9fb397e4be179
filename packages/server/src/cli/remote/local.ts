/**
 * Commands on the server's own machine: they open the same data with short transactions, need no login, and never talk to a
 * provider. What has to happen there (revoking tokens) they leave in the outbox, and the running server does it.
 *
 * The server's code is loaded when it is needed: with it, \`holdfast --help\` would take ten times as long.
 */
import { loadConfig, type Config } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import type { WorkspaceId } from "../../core/types.ts";
import type { Installation } from "../../installation.ts";
import { COMMAND } from "../../service/access/authorization.ts";
import type { Log } from "../../telemetry/log.ts";

export interface LocalFlags {
  readonly dataDir?: string;
  readonly publicUrl?: string;
}

/** The option of every command that opens the data. */
export const DATA_DIR = [
  "--data-dir <directory>",
  "where the database and the master key live (default ./.holdfast)",
] as const;

export async function stderrLog({ log_level }: Pick<Config, "log_level">): Promise<Log> {
  const { createLog } = await import("../../telemetry/log.ts");
  return createLog(log_level, (line) => void process.stderr.write(line));
}

export interface CommandDeed {
  /** As the HTTP route of the same deed names it. */
  readonly action: string;
  readonly target?: string | null;
  readonly app_id?: string;
  /** Needed when the app is gone. */
  readonly workspace_id?: WorkspaceId | null;
}

/** What a command did, for the audit trail. It is written when the installation is closed, before the command ends. */
export function record({ audit }: Installation, { target = null, app_id = "", ...deed }: CommandDeed): void {
  audit.record({ ...deed, actor: COMMAND.actor, target, app_id, address: null, request_id: null });
}

/** Opens the installation for one action and closes it again, whatever happens. */
export async function withInstallation<T>(
  flags: LocalFlags,
  action: (installation: Installation) => Promise<T>,
): Promise<T> {
  const config = loadConfig({ dataDir: flags.dataDir, publicUrl: flags.publicUrl });
  const log = await stderrLog({ log_level: config.log_level === "debug" ? "debug" : "error" });
  const { openInstallation } = await import("../../installation.ts");
  const installation = await openInstallation({ config, clock: systemClock, log }, "command");
  try {
    return await action(installation);
  } finally {
    await installation.close();
  }
}
