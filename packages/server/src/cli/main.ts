/**
 * The command line: a table of commands over commander, which parses, prints help and suggests
 * names.
 *
 * Exit codes: 0 ok, 1 failed, 2 usage, 3 auth, 4 not found, 5 conflict, 6 unavailable, 70 internal,
 * 75 in use, 78 configuration, 130 interrupted. Command files load neither the server nor the
 * catalog. An action imports what it needs.
 */
import { Command, CommanderError, Option } from "commander";
import { CodedError, exitCodeOf } from "../core/errors.ts";
import { apiKeyCommands } from "./commands/api-keys.ts";
import { appCommands } from "./commands/apps.ts";
import { auditCommands } from "./commands/audit.ts";
import { clientCommands } from "./commands/clients.ts";
import { completionCommand } from "./commands/completion.ts";
import { connectorCommands } from "./commands/connectors/connectors.ts";
import { demoCommand } from "./commands/demo.ts";
import { functionCommands } from "./commands/functions.ts";
import { keyCommands } from "./commands/keys.ts";
import { logCommands } from "./commands/logs.ts";
import { loginCommands } from "./commands/login.ts";
import { memberCommands } from "./commands/members.ts";
import { providerCommands } from "./commands/providers.ts";
import { secretCommands } from "./commands/secrets.ts";
import { serveCommand } from "./commands/serve.ts";
import { setupLinkCommand } from "./commands/setup-link.ts";
import { simulateCommand } from "./commands/simulate.ts";
import { tokenCommands } from "./commands/tokens.ts";
import { typesCommands } from "./commands/types.ts";
import { reportError } from "./report-error.ts";
import { VERSION } from "../core/version.ts";
import { userCommands } from "./commands/users.ts";
import { workspaceCommands } from "./commands/workspaces.ts";

const FIRST_STEPS = `
First steps:
  holdfast demo                everything at once, against simulated services
  holdfast serve               the server, which prints a link to sign in with
  holdfast apps create NAME    an app, with the token that its backend calls with`;

const COMMANDS: readonly ((program: Command) => void)[] = [
  serveCommand,
  demoCommand,
  simulateCommand,
  setupLinkCommand,
  appCommands,
  clientCommands,
  tokenCommands,
  connectorCommands,
  functionCommands,
  secretCommands,
  userCommands,
  typesCommands,
  logCommands,
  loginCommands,
  workspaceCommands,
  memberCommands,
  apiKeyCommands,
  auditCommands,
  providerCommands,
  keyCommands,
  completionCommand,
];

/** Commands that run until they are stopped. They handle SIGINT themselves, to close in order. */
const RUNS_UNTIL_STOPPED: ReadonlySet<string> = new Set(["serve", "demo", "simulate", "dev"]);

/** Runs one command. Returns its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const json = args.includes("--json");
  const program = createProgram(json);
  ignoreClosedPipes();
  try {
    await program.parseAsync([...args], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, json);
    if (error.exitCode === 0) return 0;
    // Without --json, commander has already printed the message.
    return json ? reportError(new CodedError("usage", { message: messageOf(error) }), json) : exitCodeOf("usage");
  }
}

function createProgram(json: boolean): Command {
  const program = new Command("holdfast")
    .description("Connect an account once; backend functions always get a valid access token.")
    .version(VERSION)
    .addHelpText("after", FIRST_STEPS);
  // The document on stdout contains the error.
  if (json) program.configureOutput({ writeErr: () => {} });
  for (const register of COMMANDS) register(program);
  prepare(program, "holdfast");
  program.hook("preAction", (_program, action) => {
    if (!RUNS_UNTIL_STOPPED.has(action.name())) process.once("SIGINT", () => process.exit(130));
  });
  return program;
}

/** In `holdfast providers list | head -1` the reader closes the pipe, which is not an error. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit();
    });
}

function messageOf({ code, message }: CommanderError): string {
  if (code === "commander.help") return "This is a group of commands: add the name of one. --help lists them.";
  return message.replace(/^error: /, "").replaceAll("\n", " ");
}

/** Makes each command take --json, throw instead of exit, and refuse unknown arguments. */
function prepare(command: Command, path: string): void {
  command.exitOverride().allowExcessArguments(false).showHelpAfterError(`Run ${path} --help for its usage.`);
  if (command.commands.length === 0) command.addOption(new Option("--json", "print one JSON document"));
  for (const child of command.commands) prepare(child, `${path} ${child.name()}`);
}
