/**
 * A server with simulated services and an app for the example functions. Everything that a builder
 * does is done with the unmodified public command line.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientSecretOf, simulatedClientId, startSimulator, type Simulator } from "@holdfast/simulator";
import { startServer, type Server } from "../../packages/server/src/app.ts";
import { freePort } from "../../packages/server/src/cli/demo/free-port.ts";
import { createSimulatedUser } from "../../packages/server/src/cli/demo/simulated-user.ts";
import { loadConfig } from "../../packages/server/src/config.ts";
import { systemClock, type Clock } from "../../packages/server/src/core/clock.ts";
import { Secret } from "../../packages/server/src/core/secret.ts";
import { instant } from "../../packages/server/src/core/types.ts";
import { createLog } from "../../packages/server/src/telemetry/log.ts";
import { BASE44, base44Environment } from "../support/base44-cli.ts";
import { parseJson } from "../support/json.ts";
import { openRegistries } from "./registries.ts";
import { createUsers, type Users } from "./users.ts";

export interface Stage {
  readonly server_url: string;
  readonly app_id: string;
  readonly simulator: Simulator;
  /** A copy of the project. Commands run there. */
  readonly project: string;
  readonly users: Users;
  /** What the server has logged. */
  log(): string;
  /** Runs the public command line in the project. @throws Error with its output if it fails */
  base44(...args: readonly string[]): Promise<string>;
  /** Connects the project's services at the simulator. Needs the deployed connectors. */
  connect(): Promise<void>;
  /**
   * Moves the time of the server and of the services to the next working day at this hour (UTC).
   * Resolves when the automations that are then due have ended.
   */
  nextWorkingDay(hour: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The system's time, which can be moved forward. Timers run as they do without it. */
interface ShiftedClock extends Clock {
  advance(delta_ms: number): void;
}

function shiftedClock(): ShiftedClock {
  let shift_ms = 0;
  return {
    ...systemClock,
    now: () => instant(systemClock.now() + shift_ms),
    advance: (delta_ms) => {
      shift_ms += delta_ms;
    },
  };
}

/** @param project the folder with config.jsonc, functions/, shared/ and connectors/ */
export async function openStage(project: string): Promise<Stage> {
  await using opened = new AsyncDisposableStack();
  const home = mkdtempSync(join(tmpdir(), "holdfast-examples-"));
  opened.defer(() => rmSync(home, { recursive: true, force: true }));
  const clock = shiftedClock();
  const log: string[] = [];
  const simulator = await startSimulator({ clock });
  opened.defer(() => simulator.close());
  const registries = opened.use(await openRegistries());
  const server = await startIn(home, simulator.url, clock, registries.settings, (line) => log.push(line));
  opened.defer(() => server.close());
  const { public_url: server_url } = server.installation.config;
  const app = await createApp(server);
  const copy = join(home, "project");
  cpSync(project, copy, { recursive: true });
  const env = { ...base44Environment({ server_url, home, api_key: app.api_key }), BASE44_APP_ID: app.app_id };
  const base44 = (...args: readonly string[]): Promise<string> => runBase44(args, copy, env);
  const builder = createSimulatedUser(server_url);
  await builder.signIn(app.setup_url);
  const closing = opened.move();
  return {
    server_url,
    app_id: app.app_id,
    simulator,
    project: copy,
    users: await createUsers({ server_url, ...app, now: () => clock.now() }),
    base44,
    connect: () => connect(base44, (url) => builder.connect(url)),
    log: () => log.join(""),
    nextWorkingDay: async (hour) => {
      clock.advance(nextWorkingDay(clock.now(), hour) - clock.now());
      await server.scheduler.tick();
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** Opens each link that the command prints, and consents. A second push finds all connected. */
async function connect(base44: Stage["base44"], open: (url: string) => Promise<void>): Promise<void> {
  const push = async () => parseJson(await base44("connectors", "push", "-y", "--json")).list("results");
  for (const result of await push())
    if (result.text("action") === "needs_oauth") await open(result.text("redirectUrl"));
  const left = (await push()).filter((result) => result.text("action") !== "synced");
  if (left.length > 0) throw new Error(`Not connected: ${JSON.stringify(left.map(({ value }) => value))}`);
}

function nextWorkingDay(now: number, hour: number): number {
  const day = new Date(now);
  do day.setUTCDate(day.getUTCDate() + 1);
  while (day.getUTCDay() === 0 || day.getUTCDay() === 6);
  return day.setUTCHours(hour, 0, 1, 0);
}

async function startIn(
  home: string,
  gateway: string,
  clock: Clock,
  settings: Readonly<Record<string, string>>,
  write: (line: string) => void,
): Promise<Server> {
  const port = await freePort();
  const config = loadConfig(
    {
      dataDir: join(home, "data"),
      port: String(port),
      publicUrl: `http://localhost:${port}`,
      providerGateway: gateway,
    },
    { ...settings },
  );
  return startServer({ config, clock, log: createLog("warn", write) });
}

interface App {
  readonly app_id: string;
  readonly api_key: string;
  readonly setup_url: string;
}

async function createApp({ installation }: Server): Promise<App> {
  const { accounts, apps, catalog, clients } = installation;
  for (const provider of catalog.all()) {
    const client_id = simulatedClientId([]);
    const client_secret = new Secret(clientSecretOf(client_id));
    await clients.set({ integration_type: provider.id, client_id, client_secret, shared_callback: false });
  }
  const { user_id, workspace_id } = await accounts.createDemoBuilder();
  const { app_id, api_key } = await apps.create("examples", { workspace_id, user_id });
  if (api_key === null) throw new Error("The app was created without an API key.");
  return { app_id, api_key: api_key.expose(), setup_url: await accounts.createSetupLink(user_id) };
}

async function runBase44(args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn(process.execPath, [BASE44, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", all: "" };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output.all += chunk;
      if (stream === child.stdout) output.stdout += chunk;
    });
  await once(child, "close");
  if (child.exitCode !== 0) throw new Error(`base44 ${args.join(" ")} exited with ${child.exitCode}:\n${output.all}`);
  return output.stdout;
}
