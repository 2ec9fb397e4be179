/** `holdfast serve`: runs the server until SIGTERM or SIGINT. */
import type { Command } from "commander";
import { loadConfig, type Config, type Flags } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import type { Log } from "../../telemetry/log.ts";
import { DATA_DIR, stderrLog } from "../remote/local.ts";
import { printResult } from "../terminal/output.ts";
import { untilStopped } from "../terminal/stop.ts";

interface ServeFlags extends Flags {
  readonly json?: boolean;
}

export function serveCommand(program: Command): void {
  program
    .command("serve")
    .description("run the server")
    .option(...DATA_DIR)
    .option("--database-url <address>", "PostgreSQL instead of SQLite; with a password: HOLDFAST_DATABASE_URL")
    .option("--host <host>", "address to listen on (default localhost)")
    .option("--port <port>", "port to listen on (default 4180)")
    .option("--public-url <origin>", "origin where browsers and providers reach this server")
    .option("--functions <directory>", "serve the functions of this directory live, to one app")
    .option("--functions-app <app>", "id or name of that app")
    .option("--functions-url <origin>", "origin of each app's functions, such as https://{app}.fn.example.com")
    .option("--functions-isolation <kind>", "bubblewrap (default), or none, which lets functions read everything")
    .option("--providers <directory>", "also offer the services that the JSON files of this directory define")
    .option("--provider-gateway <origin>", "send every provider request to a simulator on loopback")
    .option("--log-level <level>", "debug, info, warn, error or silent (default info)")
    .action(serve);
}

async function serve(flags: ServeFlags): Promise<void> {
  const config = loadConfig(flags);
  const [{ startServer }, log] = await Promise.all([import("../../app.ts"), stderrLog(config)]);
  exitOnDefect(log);
  const server = await startServer({ config, clock: systemClock, log });
  const { accounts } = server.installation;
  // Only before the first account: the link can set an admin's password, and logs often keep the
  // output. `holdfast setup-link` creates later links.
  const setup_url = (await accounts.hasAccounts()) ? null : await accounts.createSetupLink();
  const value = { server_url: config.public_url, setup_url, pid: process.pid };
  printResult(flags, value, greeting(config, setup_url));
  await untilStopped(server);
}

function greeting({ public_url, provider_gateway }: Config, setup_url: string | null): string {
  return [
    `Holdfast is running at ${public_url}`,
    ...(provider_gateway === null ? [] : [`Simulation: ${provider_gateway} simulates every provider`]),
    setup_url === null ? `Sign in: ${public_url}/sign-in` : `Create the first account within an hour: ${setup_url}`,
  ].join("\n");
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
