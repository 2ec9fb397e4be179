/** `holdfast setup-link`: a new one-time link that signs the administrator in. */
import type { Command } from "commander";
import { DATA_DIR, withInstallation, type LocalFlags } from "./local.ts";
import { createOutput } from "./output.ts";

export function setupLinkCommand(program: Command): void {
  program
    .command("setup-link")
    .description("print a new one-time sign-in link for the administrator")
    .option(...DATA_DIR)
    .action(async (flags: LocalFlags & { json?: boolean }) => {
      const setup_url = await withInstallation(flags, ({ administrator }) => administrator.createSetupLink());
      createOutput(flags.json === true).result({ setup_url }, setup_url);
    });
}
