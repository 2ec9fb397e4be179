/**
 * What `holdfast demo` runs: a server and simulated services on free ports, with a fresh temporary database, an app, its OAuth clients
 * and the example functions. Nothing to register and nothing left behind. With --auto a played person connects the services
 * and a function is called; with --once it ends after that.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clientSecretOf, simulatedClientId, startSimulator } from "@holdfast/simulator";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { startServer, type Server } from "../../app.ts";
import { loadConfig } from "../../config.ts";
import { systemClock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { UserId } from "../../core/types.ts";
import type { CreatedApp } from "../../service/apps/apps.ts";
import { createPerson } from "./person.ts";
import { stderrLog } from "../remote/local.ts";
import { createOutput } from "../terminal/output.ts";
import { stopSignal, untilStopped } from "../terminal/stop.ts";

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

export async function runDemo(flags: DemoFlags): Promise<void> {
  if (flags.once === true && flags.auto !== true)
    throw new ApiError("usage", { message: "--once ends the demo after what --auto does. Say both: --auto --once." });
  // From the first file on: an impatient Ctrl-C must not leave the temporary data behind.
  const signal = stopSignal();
  const data_dir = mkdtempSync(join(tmpdir(), "holdfast-demo-"));
  const simulator = await startSimulator();
  let server: Server | null = null;
  try {
    const examples = examplesDirectory();
    const scenario = Value.Parse(Scenario, JSON.parse(readFileSync(join(examples, "demo.json"), "utf8")));
    const port = await freePort();
    const loaded = loadConfig({
      dataDir: data_dir,
      port: String(port),
      publicUrl: `http://localhost:${port}`,
      providerGateway: simulator.url,
      functions: join(examples, "functions"),
      // The text below says that everything is simulated.
      logLevel: "error",
    });
    // Whatever the environment says: a demo must not fill a real database.
    const config = { ...loaded, database_url: null };
    server = await startServer({ config, clock: systemClock, log: await stderrLog(config) });
    const { installation } = server;
    for (const provider of installation.catalog.all()) {
      const client_id = simulatedClientId([]);
      await installation.clients.set({
        integration_type: provider.id,
        client_id,
        client_secret: new Secret(clientSecretOf(client_id)),
        shared_callback: false,
      });
    }
    const { user_id, workspace_id } = await installation.accounts.createDemoBuilder();
    const app = await installation.apps.create("demo", { workspace_id, user_id });
    const setup_url = await installation.accounts.createSetupLink(user_id);
    const connected = flags.auto === true ? await connectAll(server, app, user_id, scenario.services) : [];
    const function_url = `${config.public_url}/api/apps/${app.app_id}/functions/${scenario.function.name}`;
    const function_result = flags.auto === true ? await callFunction(function_url, scenario.function.body) : null;
    const value = {
      server_url: config.public_url,
      app_id: app.app_id,
      workspace_id,
      service_token: app.service_token.expose(),
      api_key: app.api_key?.expose() ?? null,
      setup_url,
      simulator_url: simulator.url,
      connected,
      function_result,
    };
    const text = [
      `Holdfast demo at ${config.public_url}, with simulated services at ${simulator.url}`,
      ...(flags.auto === true ? happened(value) : []),
      ...(flags.once === true
        ? []
        : nextSteps(value, {
            connect_url: installation.urls.reconnect(app.app_id, scenario.first_service),
            curl: `curl -sS -X POST ${function_url} -H 'content-type: application/json' -d '${JSON.stringify(scenario.function.body)}'`,
          })),
    ].join("\n");
    createOutput(flags.json === true).result(value, text);
    if (flags.once !== true) await untilStopped(server, signal);
    else await server.close();
    server = null;
  } finally {
    await server?.close();
    await simulator.close();
    rmSync(data_dir, { recursive: true, force: true });
  }
}

interface Result {
  readonly app_id: string;
  readonly service_token: string;
  readonly setup_url: string;
  readonly connected: readonly Connected[];
  readonly function_result: unknown;
}

interface Connected {
  readonly integration_type: string;
  readonly status: string;
  readonly account: string | null;
}

const happened = ({ connected, function_result }: Result): readonly string[] => [
  `Connected: ${connected.map((one) => `${one.integration_type} (${one.account ?? "?"})`).join(", ")}`,
  `The function answered: ${JSON.stringify(function_result)}`,
];

const nextSteps = (
  { app_id, service_token, setup_url }: Result,
  { connect_url, curl }: { connect_url: string; curl: string },
): readonly string[] => [
  "",
  `1. Sign in (works once):     ${setup_url}`,
  `2. Connect an account:       ${connect_url}`,
  `3. Call the demo function:   ${curl}`,
  "",
  `Service token for your own code (app ${app_id}): ${service_token}`,
  "Everything is gone when you press Ctrl-C.",
];

async function connectAll(
  { installation }: Server,
  { app_id }: CreatedApp,
  user_id: UserId,
  services: readonly string[],
): Promise<readonly Connected[]> {
  const { accounts, connect, connections, config } = installation;
  const person = createPerson(config.public_url);
  // A link of its own: the printed one stays unused.
  await person.signIn(await accounts.createSetupLink(user_id));
  for (const integration_type of services) {
    const { redirect_url } = await connect.initiate({
      app_id,
      integration_type,
      scopes: [],
      config: null,
      initiator: user_id,
      return_to: null,
    });
    if (redirect_url !== null) await person.connect(redirect_url);
  }
  return (await connections.list(app_id)).map(({ integration_type, status, account }) => ({
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
  if (!reply.ok)
    throw new ApiError("function_error", {
      message: `The demo function answered ${reply.status}: ${JSON.stringify(result)}`,
    });
  return result;
}

/** In the repository, or beside the published package's dist. */
function examplesDirectory(): string {
  const found = ["../../../../../examples", "../../../examples"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(join(path, "demo.json")));
  if (found === undefined)
    throw new ApiError("internal", { message: "The examples that belong to the demo are missing from this package." });
  return found;
}

/** The public URL has to be known before the server listens, so the port is chosen first. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => {
    probe.listen(0, "localhost", resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => {
    probe.close(resolve);
  });
  if (address === null || typeof address === "string")
    throw new ApiError("internal", { message: "No free port was found." });
  return address.port;
}
