/**
 * `holdfast setup-link`: a one-time link that creates an administrator, or sets the password of
 * one.
 */
import type { Command } from "commander";
import { DATA_DIR, record, withInstallation, type LocalFlags } from "../remote/local.ts";
import { printResult } from "../terminal/output.ts";

export function setupLinkCommand(program: Command): void {
  program
    .command("setup-link")
    .description("print a one-time link that creates an administrator's account, or sets a new password for one")
    .option(...DATA_DIR)
    .action(printSetupLink);
}

async function printSetupLink(flags: LocalFlags & { readonly json?: boolean }): Promise<void> {
  const setup_url = await withInstallation(flags, async (installation) => {
    const link = await installation.accounts.createSetupLink();
    await record(installation, { action: "setup_link.create" });
    return link;
  });
  printResult(flags, { setup_url }, setup_url);
}
