/**
 * Servers as processes over one database, with simulated services behind them: started, killed and restarted by name, each
 * with a data directory of its own. The first one is the public address; it stays and is what people and builders talk to.
 *
 * Not bound to one test, since a table of faults shares one cluster: whoever starts it closes it. Times in milliseconds.
 */
import { startSimulator, type Simulator } from "@holdfast/simulator";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Person } from "../../../packages/server/src/cli/demo/person.ts";
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

/** A machine on which ten nodes start at once is slow; that is no outage of its database. */
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
  /** Stored data as the installation's own code reads it, beside the servers. */
  readonly installation: Installation;
  /** The first node as the helpers of whole-process tests name it. */
  readonly site: Site;
  /** Starts a node; of a name that ran before, with the same data directory and port. */
  start(name: string, env?: Environment, data_dir?: string): Promise<Node>;
  /** A new app, for whom an account of the service is connected. One after the other, as one person does. */
  connect(service: string, client_id: string): Promise<Connected>;
  /** A node's data directory, before or after it runs. */
  dataDir(name: string): string;
  close(): Promise<void>;
}

export interface Connected {
  readonly app: App;
  readonly service: string;
}

export interface ClusterOptions {
  /** Null: SQLite, where the first node is the only one. */
  readonly database: TestDatabase | null;
  /** Of the first node, and the default of the others. */
  readonly env: Environment;
  /** Only of the first. */
  readonly first_env?: Environment;
}

export async function startCluster({ database, env, first_env = {} }: ClusterOptions): Promise<Cluster> {
  const home = mkdtempSync(join(tmpdir(), "holdfast-faults-"));
  const simulator = await startSimulator({ requests_max: 100_000 });
  const storage: Environment =
    database === null
      ? { HOLDFAST_MASTER_KEY: MASTER_KEY }
      : { HOLDFAST_DATABASE_URL: database.url, HOLDFAST_MASTER_KEY: MASTER_KEY };
  const ports = new Map<string, Promise<number>>();
  const processes: Promise<Process | null>[] = [];
  const dataDir = (name: string): string => join(home, name);
  const public_url = `http://localhost:${await portOf("first")}`;

  function portOf(name: string): Promise<number> {
    const port = ports.get(name) ?? freePort();
    ports.set(name, port);
    return port;
  }

  async function start(name: string, own: Environment = {}, data_dir = dataDir(name)): Promise<Node> {
    const port = await portOf(name);
    const starting = startProcess({
      home,
      fault_file: join(home, `${name}.plan`),
      env: { ...PATIENT, ...env, ...storage, ...own },
      args: ["--data-dir", data_dir, "--port", String(port), "--public-url", public_url],
      gateway: simulator.url,
    });
    // One that is still starting has to be ended as well.
    processes.push(starting.catch(() => null));
    const running = await starting;
    return { ...running, name, port, data_dir, server_url: `http://localhost:${port}` };
  }

  async function close(): Promise<void> {
    for (const starting of processes) {
      const running = await starting;
      running?.signal("SIGKILL");
      await running?.ended();
    }
    await simulator.close();
    rmSync(home, { recursive: true, force: true });
  }

  const opened = async () => {
    const first = await start("first", first_env);
    const config = loadConfig({ dataDir: first.data_dir }, { ...storage });
    const installation = await openInstallation({ config, clock: systemClock, log: silentLog }, "command");
    const site: Site = {
      home,
      data_dir: first.data_dir,
      server_url: public_url,
      gateway: simulator.url,
      start: () => Promise.reject(new Error("The cluster starts its nodes.")),
    };
    return { first, installation, site, person: await signIn(site, first.ready.text("setup_url")) };
  };
  const { first, installation, site, person } = await opened().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    simulator,
    first,
    installation,
    site,
    start,
    connect: connecting(site, person, installation),
    dataDir,
    close: async () => {
      await installation.close();
      await close();
    },
  };
}

/** One at a time: a browser has one connect flow open, and so has this person. */
function connecting(site: Site, person: Person, installation: Installation): Cluster["connect"] {
  const clients = new Set<string>();
  let last: Promise<unknown> = Promise.resolve();
  let count = 0;
  let api_key: string | null = null;

  async function createApp(): Promise<App> {
    count += 1;
    const name = `shop ${count}`;
    if (api_key !== null) {
      const created = await asBuilder(
        site,
        { api_key, app_id: "", service_token: "" },
        "POST",
        "/api/management/apps",
        {
          name,
        },
      );
      return { app_id: created.text("app_id"), service_token: created.text("service_token"), api_key };
    }
    const created = await installation.apps.create(name);
    api_key = created.api_key?.expose() ?? "";
    return { app_id: created.app_id, service_token: created.service_token.expose(), api_key };
  }

  async function connect(service: string, client_id: string): Promise<Connected> {
    const app = await createApp();
    if (!clients.has(service)) await setClient(site, app, service, client_id);
    clients.add(service);
    // On a busy machine a code may come too late for the short deadlines here. A person tries again, too.
    const consent = async (): Promise<void> => person.connect(await initiate(site, app, service));
    await consent().catch(consent).catch(consent);
    return { app, service };
  }

  return (service, client_id) => {
    const connected = last.then(() => connect(service, client_id));
    last = connected.catch(() => {});
    return connected;
  };
}
