/**
 * Commands on the server's machine. They open the same data with short transactions, need no login,
 * and never call a provider. Work at a provider, such as revoking tokens, goes into the outbox, and
 * the running server does it.
 *
 * The server's code is loaded on demand. With it, `holdfast --help` would take ten times as long.
 */
import { loadConfig, type Config } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import type { Installation } from "../../installation.ts";
import type { AuditEntry } from "../../service/audit.ts";
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

/**
 * Adds a command's action to the audit trail, under the same name as the HTTP route's. Resolves
 * when it is stored, so that an interrupted command loses no line.
 */
export async function record(
  { audit }: Pick<Installation, "audit">,
  action: Pick<AuditEntry, "action" | "target" | "app_id" | "workspace_id">,
): Promise<void> {
  const { COMMAND } = await import("../../service/access/principals.ts");
  audit.record({ ...action, actor: COMMAND.actor });
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
