/** `holdfast serve`: runs the server until SIGTERM or SIGINT. */
import type { Command } from "commander";
import { loadConfig, type Config, type Flags } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { problemOfName } from "../../core/functions/secret-names.ts";
import type { Log } from "../../telemetry/log.ts";
import { DATA_DIR, stderrLog } from "../remote/local.ts";
import { readEnvFile } from "../terminal/input.ts";
import { createOutput, printResult } from "../terminal/output.ts";
import { untilStopped } from "../terminal/stop.ts";

interface ServeFlags extends Flags {
  readonly json?: boolean;
}

export interface DevFlags extends ServeFlags {
  readonly app: string;
  readonly envFile?: string;
}

export function serveCommand(program: Command): void {
  serveOptions(program.command("serve"))
    .description("run the server")
    .option("--functions <directory>", "serve the functions of this directory live for one app")
    .option("--functions-app <app>", "id or name of that app")
    .action((flags: ServeFlags) => serve(flags, loadConfig(flags)));
}

/** Adds the options of a command that runs the server. */
export function serveOptions(command: Command): Command {
  return command
    .option(...DATA_DIR)
    .option("--database-url <address>", "PostgreSQL instead of SQLite; with a password: HOLDFAST_DATABASE_URL")
    .option("--host <host>", "address to listen on (default localhost)")
    .option("--port <port>", "port to listen on (default 4180)")
    .option("--public-url <origin>", "origin where browsers and providers reach this server")
    .option("--functions-url <origin>", "origin of each app's functions, such as https://{app}.fn.example.com")
    .option("--functions-isolation <kind>", "bubblewrap (default), or none, which lets functions read everything")
    .option("--providers <directory>", "also offer the services that the JSON files of this directory define")
    .option("--provider-gateway <origin>", "send every provider request to a simulator on loopback")
    .option("--log-level <level>", "debug, info, warn, error or silent (default info)");
}

/** Runs the server with the functions of a directory, and with secrets from a file. */
export async function serveDirectory(directory: string, { app, envFile, ...flags }: DevFlags): Promise<void> {
  const all = envFile === undefined ? {} : await readEnvFile(envFile);
  const [reserved = [], usable = []] = [true, false].map((is_reserved) =>
    Object.entries(all).filter(([name]) => (problemOfName(name) !== null) === is_reserved),
  );
  if (reserved.length > 0)
    createOutput(false).note(
      `Left out of ${envFile}: ${reserved.map(([name]) => name).join(", ")}. These are reserved.`,
    );
  const config = loadConfig({ ...flags, functions: directory, functionsApp: app });
  const { functions_directory } = config;
  if (functions_directory === null) throw new CodedError("internal");
  const secrets = Object.fromEntries(usable);
  await serve(flags, { ...config, functions_directory: { ...functions_directory, secrets } });
}

async function serve(flags: ServeFlags, config: Config): Promise<void> {
  const [{ startServer }, log] = await Promise.all([import("../../app.ts"), stderrLog(config)]);
  exitOnDefect(log);
  const server = await startServer({ config, clock: systemClock, log });
  const { accounts, functions } = server.installation;
  // Only before the first account: the link can set an admin's password, and logs often keep the
  // output. `holdfast setup-link` creates later links.
  const setup_url = (await accounts.hasAccounts()) ? null : await accounts.createSetupLink();
  const value = { server_url: config.public_url, setup_url, pid: process.pid };
  const ignored = await functions.withIgnoredSchedules();
  if (ignored.length > 0) createOutput(false).note(ignoredNote(ignored));
  printResult(flags, value, greeting(config, setup_url));
  await untilStopped(server);
}

function greeting(config: Config, setup_url: string | null): string {
  const { public_url, provider_gateway, functions_isolation, functions_directory: live } = config;
  return [
    `Holdfast is running at ${public_url}`,
    ...(live === null ? [] : [`Functions of ${live.app}: ${live.path}. A change applies to the next call`]),
    ...(functions_isolation === "none" ? [NOT_ISOLATED] : []),
    ...(provider_gateway === null ? [] : [`Simulation: ${provider_gateway} simulates every provider`]),
    setup_url === null ? `Sign in: ${public_url}/sign-in` : `Create the first account within an hour: ${setup_url}`,
  ].join("\n");
}

const NOT_ISOLATED =
  "Functions run without a sandbox: they can read everything that this server can read, its master key included";

/** Most functions that the line names. */
const MAX_NAMED = 20;

function ignoredNote(functions: readonly string[]): string {
  const more = functions.length > MAX_NAMED ? `, and ${functions.length - MAX_NAMED} more` : "";
  const names = `${functions.slice(0, MAX_NAMED).join(", ")}${more}`;
  return `The schedules of these functions do not run, because a directory serves them: ${names}. To run them, deploy: holdfast functions deploy`;
}

/** Ends the process after an uncaught defect, because its state is unknown. Logs no data. */
function exitOnDefect(log: Log): void {
  const end = (error: unknown): never => {
    log.error("defect", { error });
    process.exit(70);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}
