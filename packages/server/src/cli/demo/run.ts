/**
 * `holdfast demo`: a server and simulated services on free ports, with a temporary database, an
 * app, its OAuth clients and the example functions. Needs no registration and leaves nothing
 * behind.
 *
 * With --auto a simulated user connects the services, and a function is called. With --once the
 * demo then exits.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clientSecretOf, simulatedClientId, startSimulator } from "@holdfast/simulator";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import { startServer, type Server } from "../../app.ts";
import { loadConfig, type Config } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { UserId } from "../../core/types.ts";
import type { Installation } from "../../installation.ts";
import type { CreatedApp } from "../../service/apps/apps.ts";
import { stderrLog } from "../remote/local.ts";
import { createOutput, printResult } from "../terminal/output.ts";
import { stopSignal, untilStopped } from "../terminal/stop.ts";
import { freePort } from "./free-port.ts";
import { createSimulatedUser } from "./simulated-user.ts";

export interface DemoFlags {
  readonly auto?: boolean;
  readonly once?: boolean;
  readonly json?: boolean;
}

const Scenario = Type.Object({
  services: Type.Array(Type.String()),
  first_service: Type.String(),
  function: Type.Object({ name: Type.String(), body: Type.Record(Type.String(), Type.String()) }),
});
type Scenario = Static<typeof Scenario>;

export async function runDemo(flags: DemoFlags): Promise<void> {
  if (flags.once === true && flags.auto !== true)
    throw new CodedError("usage", { message: "--once works only with --auto. Use both: --auto --once." });
  // Before the first file: an early Ctrl-C must not leave the temporary data behind.
  const signal = stopSignal();
  const data_dir = mkdtempSync(join(tmpdir(), "holdfast-demo-"));
  const simulator = await startSimulator();
  let server: Server | null = null;
  try {
    const examples = examplesDirectory();
    const scenario = Value.Parse(Scenario, JSON.parse(readFileSync(join(examples, "demo.json"), "utf8")));
    const config = await demoConfig(data_dir, simulator.url);
    server = await startDemoServer(config);
    const stage = await setUp(server.installation, scenario, join(examples, "functions"));
    const outcome = flags.auto === true ? await play(stage) : { connected: [], function_result: null };
    printStage(flags, stage, simulator.url, outcome);
    if (flags.once !== true) await untilStopped(server, signal);
    else await server.close();
    server = null;
  } finally {
    await server?.close();
    await simulator.close();
    rmSync(data_dir, { recursive: true, force: true });
  }
}

/** The public URL must be known before the server listens, so the port is chosen first. */
async function demoConfig(data_dir: string, gateway: string): Promise<Config> {
  const port = await freePort();
  const config = loadConfig({
    dataDir: data_dir,
    port: String(port),
    publicUrl: `http://localhost:${port}`,
    providerGateway: gateway,
    // The printed text already says that everything is simulated.
    logLevel: "error",
  });
  // Ignores a database and functions in the environment: a demo must not fill or run real ones.
  return { ...config, database_url: null, functions_directory: null, issuer_loopback: true };
}

/**
 * Starts the server. If the sandbox for functions does not work on this machine, starts without
 * it, because the demo's only functions are its own examples.
 */
async function startDemoServer(config: Config): Promise<Server> {
  const log = await stderrLog(config);
  const start = (chosen: Config): Promise<Server> => startServer({ config: chosen, clock: systemClock, log });
  try {
    return await start(config);
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== "functions_isolation_unavailable") throw error;
    createOutput(false).note("The demo's functions run without a sandbox, because none works on this machine.");
    return await start({ ...config, functions_isolation: "none" });
  }
}

interface Stage {
  readonly installation: Installation;
  readonly scenario: Scenario;
  readonly app: CreatedApp;
  readonly workspace_id: string;
  readonly user_id: UserId;
  readonly setup_url: string;
  readonly function_url: string;
}

async function setUp(installation: Installation, scenario: Scenario, directory: string): Promise<Stage> {
  const { accounts, apps, appUsers, catalog, clients, config, functions } = installation;
  for (const provider of catalog.all()) {
    const client_id = simulatedClientId([]);
    await clients.set({
      integration_type: provider.id,
      client_id,
      client_secret: new Secret(clientSecretOf(client_id)),
      shared_callback: false,
    });
  }
  const { user_id, workspace_id } = await accounts.createDemoBuilder();
  const app = await apps.create("demo", { workspace_id, user_id });
  functions.useDirectory(app.app_id, directory);
  const oidc = { issuer: userIssuer(installation), kind: "oidc" as const, url: null, secret: null };
  await appUsers.issuers.put(app.app_id, { ...oidc, audiences: ["demo"] });
  const setup_url = await accounts.createSetupLink(user_id);
  const function_url = `${config.public_url}/api/apps/${app.app_id}/functions/${scenario.function.name}`;
  return { installation, scenario, app, workspace_id, user_id, setup_url, function_url };
}

/** The simulator's issuer of tokens for the users of an app. */
const userIssuer = ({ config }: Installation): string => `${config.provider_gateway}/_users`;

interface Outcome {
  readonly connected: readonly Connected[];
  readonly function_result: unknown;
}

interface Connected {
  readonly integration_type: string;
  readonly status: string;
  readonly account: string | null;
}

async function play(stage: Stage): Promise<Outcome> {
  const connected = await connectAll(stage);
  return { connected, function_result: await callFunction(stage.function_url, stage.scenario.function.body) };
}

async function connectAll({ installation, scenario, app, user_id }: Stage): Promise<readonly Connected[]> {
  const { accounts, connect, connections, config } = installation;
  const user = createSimulatedUser(config.public_url);
  // With another link, so that the printed one stays unused.
  await user.signIn(await accounts.createSetupLink(user_id));
  for (const integration_type of scenario.services) {
    const { redirect_url } = await connect.initiate({
      app_id: app.app_id,
      integration_type,
      scopes: [],
      config: null,
      initiator: user_id,
      return_to: null,
    });
    if (redirect_url !== null) await user.connect(redirect_url);
  }
  return (await connections.list(app.app_id)).map(({ integration_type, status, account }) => ({
    integration_type,
    status,
    account: account.label,
  }));
}

async function callFunction(url: string, body: Readonly<Record<string, string>>): Promise<unknown> {
  const reply = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const result: unknown = await reply.json();
  if (reply.ok) return result;
  const message = `The demo function returned status ${reply.status}: ${JSON.stringify(result)}`;
  throw new CodedError("function_error", { message });
}

function printStage(flags: DemoFlags, stage: Stage, simulator_url: string, outcome: Outcome): void {
  const { app, workspace_id, setup_url, installation } = stage;
  const { public_url: server_url } = installation.config;
  const value = {
    server_url,
    app_id: app.app_id,
    workspace_id,
    service_token: app.service_token.expose(),
    api_key: app.api_key?.expose() ?? null,
    setup_url,
    simulator_url,
    ...outcome,
  };
  const lines = [
    `Holdfast demo at ${server_url}, with simulated services at ${simulator_url}`,
    ...(flags.auto === true ? outcomeLines(outcome) : []),
    ...(flags.once === true ? [] : nextSteps(stage)),
  ];
  printResult(flags, value, lines.join("\n"));
}

const outcomeLines = ({ connected, function_result }: Outcome): readonly string[] => [
  `Connected: ${connected.map((one) => `${one.integration_type} (${one.account ?? "?"})`).join(", ")}`,
  `The function returned: ${JSON.stringify(function_result)}`,
];

function nextSteps({ app, setup_url, function_url, scenario, installation }: Stage): readonly string[] {
  const connect_url = installation.urls.reconnect(app.app_id, scenario.first_service);
  const body = JSON.stringify(scenario.function.body);
  return [
    "",
    `1. Sign in (works once):     ${setup_url}`,
    `2. Connect an account:       ${connect_url}`,
    `3. Call the demo function:   curl -sS -X POST ${function_url} -H 'content-type: application/json' -d '${body}'`,
    `   As its user ada (or bob):  add -H "authorization: Bearer $(curl -sS '${userIssuer(installation)}/token?user=ada')"`,
    "",
    `Service token for your own code (app ${app.app_id}): ${app.service_token.expose()}`,
    "Press Ctrl-C to stop. Everything is then deleted.",
  ];
}

/** Returns the examples of the repository, or those beside the published package's dist. */
function examplesDirectory(): string {
  const found = ["../../../../../examples", "../../../examples"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(join(path, "demo.json")));
  if (found !== undefined) return found;
  throw new CodedError("internal", { message: "The examples of the demo are missing from this package." });
}
