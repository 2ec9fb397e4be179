/** `holdfast connectors pull|push`: the app's connectors as files. */
import type { Command } from "commander";
import { AS } from "../../connectors/open.ts";
import type { SyncFlags } from "../../connectors/pull.ts";
import { withApp } from "../../remote/target.ts";

const DIRECTORY = ["--dir <directory>", "the directory of the files", "connectors"] as const;

export function syncCommands(connectors: Command): void {
  withApp(connectors.command("pull"))
    .description("write the app's connectors to connectors/TYPE.jsonc, and delete the files of other connectors")
    .option(...DIRECTORY)
    .option("-y, --yes", "delete files without asking")
    .action(async (flags: SyncFlags) => (await import("../../connectors/pull.ts")).pull(flags));
  withApp(connectors.command("push"))
    .description("make the app's connectors match the files (exits 0 only if all of them are then connected)")
    .option(...DIRECTORY)
    .option("-y, --yes", "replace scopes and remove connectors without asking")
    .option(...AS)
    .action(async (flags: SyncFlags) => (await import("../../connectors/push.ts")).push(flags));
}
