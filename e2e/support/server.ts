/**
 * A running server with simulated services, set up over its own HTTP interface. It has an app, an
 * OAuth client per service, and a builder who connects accounts.
 */
import { clientSecretOf, startSimulator, type Simulator } from "@holdfast/simulator";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createSimulatedUser, type SimulatedUser } from "../../packages/server/src/cli/demo/simulated-user.ts";
import { holdfast, startHoldfast, type Running } from "./holdfast.ts";
import { parseJson, type Json } from "./json.ts";
import { freePort } from "../../packages/server/test/support/port.ts";
import { temporaryDirectory } from "./temporary.ts";

export const SERVICES = ["github", "googlecalendar", "notion", "salesforce", "slack", "slackbot"] as const;

export interface App {
  readonly app_id: string;
  readonly service_token: string;
  readonly api_key: string;
}

export interface Site {
  readonly home: string;
  readonly data_dir: string;
  readonly server_url: string;
  readonly gateway: string;
  /** The command that starts the server. It also restarts the server after a kill. */
  start(env?: Readonly<Record<string, string>>): Promise<Running>;
}

/** Chooses directories, port and gateway for a server. Starts nothing. */
export async function prepareSite(gateway: string): Promise<Site> {
  const home = temporaryDirectory();
  const port = await freePort();
  const data_dir = join(home, "data");
  const args = ["serve", "--data-dir", data_dir, "--port", String(port), "--provider-gateway", gateway];
  return {
    home,
    data_dir,
    gateway,
    server_url: `http://localhost:${port}`,
    start: (env = {}) => startHoldfast(args, { home, env }),
  };
}

export async function startSimulated(): Promise<Simulator> {
  const simulator = await startSimulator();
  onTestFinished(() => simulator.close());
  return simulator;
}

export async function createApp({ home, data_dir }: Site, name = "shop"): Promise<App> {
  const { stdout } = await holdfast(["apps", "create", name, "--data-dir", data_dir, "--json"], { home });
  const created = parseJson(stdout);
  return {
    app_id: created.text("app_id"),
    service_token: created.text("service_token"),
    api_key: created.text("api_key"),
  };
}

/** Calls a management or connector route as a builder with an API key. */
export async function asBuilder(
  { server_url }: Site,
  { api_key }: App,
  method: string,
  path: string,
  body?: unknown,
): Promise<Json> {
  const reply = await fetch(`${server_url}${path}`, {
    method,
    headers: { api_key, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${path} returned ${reply.status}: ${text}`);
  return parseJson(text);
}

/** Deploys a function of one file. */
export function deployFunction(site: Site, app: App, name: string, content: string): Promise<Json> {
  const path = `/api/apps/${app.app_id}/backend-functions/${encodeURIComponent(name)}`;
  return asBuilder(site, app, "PUT", path, { entry: "entry.ts", files: [{ path: "entry.ts", content }] });
}

/** Sets a simulated OAuth client. Its id selects the service's misbehavior. */
export function setClient(site: Site, app: App, integration_type: string, client_id: string): Promise<Json> {
  return asBuilder(site, app, "PUT", `/api/management/clients/${integration_type}`, {
    client_id,
    client_secret: clientSecretOf(client_id),
  });
}

const ACCOUNT = { name: "Ada", email: "ada@example.com", password: "correct horse battery staple" };

/** Creates the account, or sets its password, through a setup link. */
export async function signIn({ server_url }: Site, setup_url: string): Promise<SimulatedUser> {
  const builder = createSimulatedUser(server_url);
  await builder.signIn(setup_url, ACCOUNT);
  return builder;
}

/** Returns the link that connects an account, with the request that the public CLI sends. */
export async function initiate(site: Site, app: App, integration_type: string): Promise<string> {
  const path = `/api/apps/${app.app_id}/external-auth/integrations/${integration_type}`;
  return (await asBuilder(site, app, "PUT", path, { scopes: [] })).text("redirect_url");
}

export interface TokenReply {
  readonly status: number;
  readonly body: Json;
  readonly access_token: string | null;
}

/**
 * Reads a token as an app's backend does. `rejected_hash` identifies an access token that the API
 * rejected.
 */
export async function getConnection(
  { server_url }: Pick<Site, "server_url">,
  { app_id, service_token }: Pick<App, "app_id" | "service_token">,
  integration_type: string,
  rejected_hash?: string,
): Promise<TokenReply> {
  const reply = await fetch(`${server_url}/api/apps/${app_id}/external-auth/tokens/${integration_type}`, {
    headers: {
      authorization: `Bearer ${service_token}`,
      ...(rejected_hash === undefined ? {} : { "x-holdfast-rejected-token-hash": rejected_hash }),
    },
  });
  const body = parseJson(await reply.text());
  return { status: reply.status, body, access_token: reply.ok ? body.text("access_token") : null };
}

/** Starts a server with an OAuth client per service and every service connected. */
export async function startConnected(
  gateway: string,
  options: {
    services?: readonly string[];
    clientIdOf?: (service: string) => string;
    env?: Record<string, string>;
  } = {},
): Promise<{ site: Site; app: App; server: Running; builder: SimulatedUser }> {
  const { services = SERVICES, clientIdOf = () => "sim-ok", env = {} } = options;
  const site = await prepareSite(gateway);
  const server = await site.start(env);
  const app = await createApp(site);
  const builder = await signIn(site, server.ready.text("setup_url"));
  for (const service of services) {
    await setClient(site, app, service, clientIdOf(service));
    await builder.connect(await initiate(site, app, service));
  }
  return { site, app, server, builder };
}
