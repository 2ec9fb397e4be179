/**
 * Commands on the server's own machine. They open the same data with short transactions, need no
 * login, and never call a provider. Work at a provider, such as revoking tokens, goes into the
 * outbox, and the running server does it.
 *
 * The server's code is loaded on demand. Loading it for `holdfast --help` would take ten times as
 * long.
 */
import { loadConfig, type Config } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import type { WorkspaceId } from "../../core/types.ts";
import type { Installation } from "../../installation.ts";
import type { Log } from "../../telemetry/log.ts";

export interface LocalFlags {
  readonly dataDir?: string;
  readonly publicUrl?: string;
}

/** The option of each command that opens the data. */
export const DATA_DIR = [
  "--data-dir <directory>",
  "directory of the database and the master key (default ./.holdfast)",
] as const;

export async function stderrLog({ log_level }: Pick<Config, "log_level">): Promise<Log> {
  const { createLog } = await import("../../telemetry/log.ts");
  return createLog(log_level, (line) => void process.stderr.write(line));
}

/** What a command did, as the audit trail stores it. */
export interface AuditedAction {
  /** The same name as for the HTTP route that does this. */
  readonly action: string;
  readonly target?: string | null;
  readonly app_id?: string;
  /** Required when the app is deleted. */
  readonly workspace_id?: WorkspaceId | null;
}

/**
 * Adds an action to the audit trail. Resolves when it is stored, so that an interrupted command
 * loses no line.
 */
export async function record(
  { audit }: Pick<Installation, "audit">,
  { target = null, app_id = "", ...action }: AuditedAction,
): Promise<void> {
  const { COMMAND } = await import("../../service/access/authorization.ts");
  audit.record({ ...action, actor: COMMAND.actor, target, app_id, address: null, request_id: null });
  await audit.flush();
}

/** Opens the installation for one command, and closes it when `action` settles. */
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
