/** `holdfast simulate`: the simulated services alone, for development and for your own tests. */
import { Option, type Command } from "commander";
import { CodedError } from "../../core/errors.ts";
import { printResult } from "../terminal/output.ts";
import { untilStopped } from "../terminal/stop.ts";

/** Not 4190: fetch in Node and Deno, and some browsers, block it as a port of mail servers. */
const DEFAULT_SIMULATOR_PORT = 4191;

export function simulateCommand(program: Command): void {
  program
    .command("simulate")
    .description("run simulated services (HOLDFAST_PROVIDER_GATEWAY points a server at them)")
    .addOption(
      new Option("--port <port>", "port to listen on (0: any)").default(DEFAULT_SIMULATOR_PORT).argParser(port),
    )
    .action(simulate);
}

async function simulate(flags: { readonly port: number; readonly json?: boolean }): Promise<void> {
  const { startSimulator } = await import("@holdfast/simulator");
  const simulator = await startSimulator({ port: flags.port });
  const text = `Simulated services are running at ${simulator.url}\nUse them: HOLDFAST_PROVIDER_GATEWAY=${simulator.url} holdfast serve\nAny client id works, with the secret secret-of-ID: my-client has secret-of-my-client`;
  printResult(flags, { simulator_url: simulator.url }, text);
  await untilStopped(simulator);
}

function port(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new CodedError("usage", { message: "--port takes a number from 0 to 65535." });
}
