/**
 * Servers as processes over one database, with simulated services. Nodes are started, killed and
 * restarted by name, each with its own data directory. The first one has the public address: it
 * stays, and builders use it.
 *
 * Not bound to one test, because a table of faults shares one cluster. The code that starts it must
 * close it. Times in milliseconds.
 */
import { startSimulator, type Simulator } from "@holdfast/simulator";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SimulatedUser } from "../../../packages/server/src/cli/demo/simulated-user.ts";
import { loadConfig } from "../../../packages/server/src/config.ts";
import { systemClock } from "../../../packages/server/src/core/clock.ts";
import { openInstallation, type Installation } from "../../../packages/server/src/installation.ts";
import { silentLog } from "../../../packages/server/src/telemetry/log.ts";
import type { TestDatabase } from "../../../packages/server/test/support/postgres.ts";
import { asBuilder, initiate, setClient, signIn, type App, type Site } from "../../support/server.ts";
import { freePort } from "../../../packages/server/test/support/port.ts";
import { startProcess, type Process } from "./cluster-process.ts";

export const FULL = process.env["TESTS"] === "all";
const MASTER_KEY = Buffer.alloc(32, 7).toString("base64");

/** Ten nodes that start at once make a machine slow. That must not count as a database outage. */
const PATIENT = {
  HOLDFAST_LOG_LEVEL: "error",
  HOLDFAST_SPILL_BYTES: "1048576",
  HOLDFAST_DATABASE_CONNECT_TIMEOUT_MS: "15000",
  HOLDFAST_DATABASE_READ_WAIT_MS: "10000",
};

type Environment = Readonly<Record<string, string>>;

export interface Node extends Process {
  readonly name: string;
  readonly server_url: string;
  readonly port: number;
  readonly data_dir: string;
}

export interface Cluster {
  readonly simulator: Simulator;
  readonly first: Node;
  /** Reads the stored data with the installation's own code, beside the servers. */
  readonly installation: Installation;
  /** The first node in the form that the helpers of whole-process tests take. */
  readonly site: Site;
  /** Starts a node. A name that ran before gets the same data directory and port. */
  start(name: string, env?: Environment, data_dir?: string): Promise<Node>;
  /** Creates an app and connects an account of the service for it. One at a time. */
  connect(service: string, client_id: string): Promise<Connected>;
  /** Returns a node's data directory, before or after it runs. */
  dataDir(name: string): string;
  close(): Promise<void>;
}

export interface Connected {
  readonly app: App;
  readonly service: string;
}

export interface ClusterOptions {
  /** null: SQLite, with only the first node. */
  readonly database: TestDatabase | null;
  /** For the first node, and the default for the others. */
  readonly env: Environment;
  /** Only for the first node. */
  readonly first_env?: Environment;
}

interface Machine {
  readonly home: string;
  readonly simulator: Simulator;
  readonly storage: Environment;
  readonly env: Environment;
  readonly public_url: string;
  readonly ports: Map<string, Promise<number>>;
  /** Every process so far, including those that are still starting. */
  readonly processes: Promise<Process | null>[];
}

export async function startCluster({ database, env, first_env = {} }: ClusterOptions): Promise<Cluster> {
  const home = mkdtempSync(join(tmpdir(), "holdfast-faults-"));
  const simulator = await startSimulator({ requests_max: 100_000 });
  // After the simulator, which could otherwise get the same port.
  const first_port = await freePort();
  const machine: Machine = {
    home,
    simulator,
    storage: {
      HOLDFAST_MASTER_KEY: MASTER_KEY,
      ...(database === null ? {} : { HOLDFAST_DATABASE_URL: database.url }),
    },
    env,
    public_url: `http://localhost:${first_port}`,
    ports: new Map([["first", Promise.resolve(first_port)]]),
    processes: [],
  };
  const { first, installation, site, builder } = await openFirst(machine, first_env).catch(async (error: unknown) => {
    await closeMachine(machine);
    throw error;
  });
  const account: Account = { site, builder, installation, clients: new Set(), app_count: 0, api_key: null };
  return {
    simulator,
    first,
    installation,
    site,
    start: (name, own, data_dir) => startNode(machine, name, own, data_dir),
    connect: oneAtATime((service: string, client_id: string) => connect(account, service, client_id)),
    dataDir: (name) => dataDir(machine, name),
    close: async () => {
      await installation.close();
      await closeMachine(machine);
    },
  };
}

const dataDir = ({ home }: Machine, name: string): string => join(home, name);

function portOf({ ports }: Machine, name: string): Promise<number> {
  const port = ports.get(name) ?? freePort();
  ports.set(name, port);
  return port;
}

async function startNode(
  machine: Machine,
  name: string,
  own: Environment = {},
  data_dir = dataDir(machine, name),
): Promise<Node> {
  const { home, simulator, storage, env, public_url, processes } = machine;
  const port = await portOf(machine, name);
  const starting = startProcess({
    home,
    fault_file: join(home, `${name}.plan`),
    env: { ...PATIENT, ...env, ...storage, ...own },
    args: ["--data-dir", data_dir, "--port", String(port), "--public-url", public_url],
    gateway: simulator.url,
  });
  // Recorded before it has started: a starting process must be ended as well.
  processes.push(starting.catch(() => null));
  const running = await starting;
  return { ...running, name, port, data_dir, server_url: `http://localhost:${port}` };
}

async function openFirst(machine: Machine, first_env: Environment) {
  const first = await startNode(machine, "first", first_env);
  const config = loadConfig({ dataDir: first.data_dir }, { ...machine.storage });
  const installation = await openInstallation({ config, clock: systemClock, log: silentLog }, "command");
  const site: Site = {
    home: machine.home,
    data_dir: first.data_dir,
    server_url: machine.public_url,
    gateway: machine.simulator.url,
    start: () => Promise.reject(new Error("The cluster starts its nodes.")),
  };
  return { first, installation, site, builder: await signIn(site, first.ready.text("setup_url")) };
}

async function closeMachine({ processes, simulator, home }: Machine): Promise<void> {
  for (const starting of processes) {
    const running = await starting;
    running?.signal("SIGKILL");
    await running?.ended();
  }
  await simulator.close();
  rmSync(home, { recursive: true, force: true });
}

/** The builder's account, and what it has created so far. */
interface Account {
  readonly site: Site;
  readonly builder: SimulatedUser;
  readonly installation: Installation;
  readonly clients: Set<string>;
  app_count: number;
  api_key: string | null;
}

async function createApp(account: Account): Promise<App> {
  account.app_count += 1;
  const name = `shop ${account.app_count}`;
  const { api_key } = account;
  if (api_key !== null) {
    const caller = { api_key, app_id: "", service_token: "" };
    const created = await asBuilder(account.site, caller, "POST", "/api/management/apps", { name });
    return { app_id: created.text("app_id"), service_token: created.text("service_token"), api_key };
  }
  const created = await account.installation.apps.create(name);
  const own_key = created.api_key?.expose() ?? "";
  account.api_key = own_key;
  return { app_id: created.app_id, service_token: created.service_token.expose(), api_key: own_key };
}

async function connect(account: Account, service: string, client_id: string): Promise<Connected> {
  const { site, builder, clients } = account;
  const app = await createApp(account);
  if (!clients.has(service)) await setClient(site, app, service, client_id);
  clients.add(service);
  // On a busy machine a code can arrive too late for the short deadlines here. A user would retry.
  const consent = async (): Promise<void> => builder.connect(await initiate(site, app, service));
  await consent().catch(consent).catch(consent);
  return { app, service };
}

/** Runs calls in order: a browser has one connect flow open, and so has this builder. */
function oneAtATime<A extends readonly unknown[], R>(call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  let last: Promise<unknown> = Promise.resolve();
  return (...args) => {
    const result = last.then(() => call(...args));
    last = result.catch(() => {});
    return result;
  };
}
