/** `holdfast setup-link`: a new one-time link that makes an administrator, or sets the password of one. */
import type { Command } from "commander";
import { DATA_DIR, record, withInstallation, type LocalFlags } from "../remote/local.ts";
import { createOutput } from "../terminal/output.ts";

export function setupLinkCommand(program: Command): void {
  program
    .command("setup-link")
    .description("print a one-time link that makes an administrator's account, or sets a new password for one")
    .option(...DATA_DIR)
    .action(async (flags: LocalFlags & { json?: boolean }) => {
      const setup_url = await withInstallation(flags, async (installation) => {
        const link = await installation.accounts.createSetupLink();
        await record(installation, { action: "setup_link.create" });
        return link;
      });
      createOutput(flags.json === true).result({ setup_url }, setup_url);
    });
}
