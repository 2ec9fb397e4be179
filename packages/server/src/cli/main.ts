/**
 * The command line: one table of commands over commander, which does parsing, help and did-you-mean. Exit codes: 0 ok, 1
 * failed, 2 usage, 3 auth, 4 not found, 5 conflict, 6 unavailable, 70 internal, 75 in use, 78 configuration.
 */
import { Command, CommanderError, Option } from "commander";
import { appCommands } from "./apps.ts";
import { clientCommands } from "./clients.ts";
import { connectorCommands } from "./connectors.ts";
import { demoCommand } from "./demo.ts";
import { keyCommands } from "./keys.ts";
import { reportError } from "./output.ts";
import { providerCommands } from "./providers.ts";
import { serveCommand } from "./serve.ts";
import { setupLinkCommand } from "./setup-link.ts";
import { simulateCommand } from "./simulate.ts";
import { tokenCommands } from "./tokens.ts";
import { VERSION } from "./version.ts";

export async function main(args: readonly string[]): Promise<number> {
  const program = new Command("holdfast");
  program
    .description("Connect an account once; backend functions always get a valid access token.")
    .version(VERSION)
    .showHelpAfterError("Run with --help to see what there is.");
  for (const register of [
    serveCommand,
    demoCommand,
    simulateCommand,
    setupLinkCommand,
    appCommands,
    clientCommands,
    tokenCommands,
    connectorCommands,
    providerCommands,
    keyCommands,
  ])
    register(program);
  prepare(program);
  try {
    await program.parseAsync([...args], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportError(error, args.includes("--json"));
  }
}

/** Every command takes --json, throws instead of exiting, and refuses arguments it does not know. */
function prepare(command: Command): void {
  command.exitOverride().allowExcessArguments(false);
  if (command.commands.length === 0) command.addOption(new Option("--json", "print one JSON document"));
  for (const child of command.commands) prepare(child);
}
