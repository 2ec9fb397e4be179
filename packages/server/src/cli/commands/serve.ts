/** `holdfast serve`: the server, until SIGTERM or SIGINT. */
import type { Command } from "commander";
import { loadConfig, type Flags } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import type { Log } from "../../telemetry/log.ts";
import { DATA_DIR, stderrLog } from "../remote/local.ts";
import { createOutput } from "../terminal/output.ts";
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
    .option("--public-url <origin>", "origin under which browsers and providers reach this server")
    .option("--functions <directory>", "run the functions of this directory")
    .option("--providers <directory>", "also offer the services that the JSON files of this directory define")
    .option("--provider-gateway <origin>", "send every provider request to a simulator on loopback")
    .option("--log-level <level>", "debug, info, warn, error or silent (default info)")
    .action(async (flags: ServeFlags) => {
      const config = loadConfig(flags);
      const [{ startServer }, log] = await Promise.all([import("../../app.ts"), stderrLog(config)]);
      exitOnDefect(log);
      const server = await startServer({ config, clock: systemClock, log });
      const { accounts } = server.installation;
      // Later ones are asked for: this one could set an administrator's password, and the output is often kept.
      const setup_url = (await accounts.hasAccounts()) ? null : await accounts.createSetupLink();
      const text = [
        `Holdfast serves ${config.public_url}`,
        ...(config.provider_gateway === null
          ? []
          : [`Simulation: every provider is simulated at ${config.provider_gateway}`]),
        setup_url === null
          ? `Sign in: ${config.public_url}/sign-in`
          : `Make the first account, within an hour: ${setup_url}`,
      ].join("\n");
      createOutput(flags.json === true).result({ server_url: config.public_url, setup_url, pid: process.pid }, text);
      await untilStopped(server);
    });
}

/** A defect nobody caught: the state is unknown, so the process ends, saying what and never with which data. */
function exitOnDefect(log: Log): void {
  const end = (error: unknown): never => {
    log.error("defect", { error });
    process.exit(70);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}
