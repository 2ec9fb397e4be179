/**
 * `holdfast setup-link`: prints a one-time link that creates an admin, or sets an admin's password.
 */
import type { Command } from "commander";
import { DATA_DIR, record, withInstallation, type LocalFlags } from "../remote/local.ts";
import { printResult } from "../terminal/output.ts";

export function setupLinkCommand(program: Command): void {
  program
    .command("setup-link")
    .description("print a one-time link that creates an admin account, or sets an admin's password")
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
