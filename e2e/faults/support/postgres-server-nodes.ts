/**
 * Nodes over one PostgreSQL, each with its own address, an app and simulated services. A backend's
 * view of them: status, code, staleness and time of each reply.
 */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { LedgerRequest, Simulator } from "@holdfast/simulator";
import { loadConfig } from "../../../packages/server/src/config.ts";
import { systemClock } from "../../../packages/server/src/core/clock.ts";
import { openInstallation } from "../../../packages/server/src/installation.ts";
import { sealContext } from "../../../packages/server/src/service/grants/grant.ts";
import { silentLog } from "../../../packages/server/src/telemetry/log.ts";
import { sealedFromStorage } from "../../../packages/server/src/vault/seal.ts";
import { holdfast, startHoldfast, type Running } from "../../support/holdfast.ts";
import { parseJson } from "../../support/json.ts";
import { initiate, prepareSite, setClient, signIn, type App, type Site } from "../../support/server.ts";

/** Whether to run the full counts. Otherwise the short forms run. */
export const FULL = process.env["TESTS"] === "all";

export type Environment = Readonly<Record<string, string>>;

export interface Node extends Site {
  readonly env: Environment;
  server: Running;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts the same command again. */
  restart(env?: Environment): Promise<void>;
}

const MASTER_KEY = Buffer.alloc(32, 7).toString("base64");

/**
 * Leases of seconds instead of minutes. Only readers refresh, unless a test sets another sweep
 * interval.
 */
const LIMITS: Environment = {
  HOLDFAST_LOG_LEVEL: "warn",
  HOLDFAST_SWEEP_INTERVAL_MS: "600000",
  HOLDFAST_REFRESH_DEADLINE_MS: "2500",
  HOLDFAST_REFRESH_LEASE_MS: "3500",
  HOLDFAST_REFRESH_DEADLINE_STRICT_MS: "2500",
  HOLDFAST_REFRESH_LEASE_STRICT_MS: "3500",
  HOLDFAST_REFRESH_FENCE_MS: "500",
};

/**
 * Starts a node on the PostgreSQL behind `database_url`, which can be a proxy. Killed when the test
 * ends. `node` is the program that runs the launcher, by default this Node.
 */
export async function startNode(
  gateway: string,
  database_url: string,
  env: Environment = {},
  node?: string,
): Promise<Node> {
  const site = await prepareSite(gateway);
  const all = { HOLDFAST_DATABASE_URL: database_url, HOLDFAST_MASTER_KEY: MASTER_KEY, ...LIMITS, ...env };
  const { port } = new URL(site.server_url);
  const args = ["serve", "--data-dir", site.data_dir, "--port", port, "--provider-gateway", gateway];
  const start = (more: Environment = {}): Promise<Running> =>
    startHoldfast(args, { home: site.home, env: { ...all, ...more }, ...(node === undefined ? {} : { node }) });
  const started: Node = {
    ...site,
    start,
    env: all,
    server: await start(),
    async kill() {
      started.server.signal("SIGKILL");
      await started.server.ended();
    },
    async restart(more = {}) {
      started.server = await start(more);
    },
  };
  return started;
}

/** Returns `url` with the proxy's port in place of the server's. */
export function withPort(url: string, port: number): string {
  const proxied = new URL(url);
  proxied.port = String(port);
  return proxied.href;
}

export const portOf = (url: string): number => Number(new URL(url).port);

/**
 * Creates an app with these services connected. The values are simulated client ids, which select
 * misbehavior.
 */
export async function connectedApp(node: Node, clients: Readonly<Record<string, string>>): Promise<App> {
  const { stdout, stderr, exit_code } = await holdfast(["apps", "create", "shop", "--json"], node);
  if (exit_code !== 0) throw new Error(`The app was not created: ${stderr}`);
  const created = parseJson(stdout);
  const [app_id, service_token, api_key] = [
    created.text("app_id"),
    created.text("service_token"),
    created.text("api_key"),
  ];
  const app = { app_id, service_token, api_key };
  const builder = await signIn(node, node.server.ready.text("setup_url"));
  for (const [service, client_id] of Object.entries(clients)) {
    await setClient(node, app, service, client_id);
    await builder.connect(await initiate(node, app, service));
  }
  return app;
}

export interface TimedReply {
  readonly status: number;
  /** The error code. null with a token. */
  readonly code: string | null;
  readonly access_token: string | null;
  readonly stale: boolean;
  readonly retry_after: string | null;
  readonly took_ms: number;
}

export async function readToken(
  { server_url }: Pick<Site, "server_url">,
  { app_id, service_token }: Pick<App, "app_id" | "service_token">,
  service: string,
): Promise<TimedReply> {
  const started_at = performance.now();
  const reply = await fetch(`${server_url}/api/apps/${app_id}/external-auth/tokens/${service}`, {
    headers: { authorization: `Bearer ${service_token}` },
  });
  const body = parseJson(await reply.text());
  return {
    status: reply.status,
    code: reply.ok ? null : body.text("code"),
    access_token: reply.ok ? body.text("access_token") : null,
    stale: reply.headers.get("x-stale") === "1",
    retry_after: reply.headers.get("retry-after"),
    took_ms: performance.now() - started_at,
  };
}

/** Starts readers that never pause until they are stopped. `stop` returns all of their replies. */
export function startReaders(
  node: Pick<Site, "server_url">,
  app: App,
  service: string,
  count: number,
): { stop: () => Promise<readonly TimedReply[]> } {
  const stopping = new AbortController();
  const replies: TimedReply[] = [];
  const readUntilStopped = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      replies.push(await readToken(node, app, service));
      // Leaves a processor for the node.
      await delay(2);
    }
  };
  const readers = Array.from({ length: count }, readUntilStopped);
  return {
    async stop() {
      stopping.abort();
      await Promise.all(readers);
      return replies;
    },
  };
}

/** Polls until `probe` returns a value other than null. */
export async function eventually<T>(what: string, limit_ms: number, probe: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + limit_ms;
  for (;;) {
    const found = await probe();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limit_ms} ms.`);
    await delay(25);
  }
}

export const refreshes = (simulator: Simulator): readonly LedgerRequest[] =>
  simulator.ledger().requests.filter(({ kind }) => kind === "refresh");

/** Resolves when the provider has received `count` refreshes, whether it has responded or not. */
export async function waitForRefreshes(simulator: Simulator, count: number): Promise<void> {
  await eventually("The refresh was sent", 15_000, () =>
    Promise.resolve(refreshes(simulator).length >= count ? true : null),
  );
}

interface Queried {
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly unknown[]>;
}

/** Expires the stored access token of a service, and makes all nodes drop it from their caches. */
export async function expire({ query }: Queried, service: string): Promise<void> {
  await query(
    "update connections set expires_at = issued_at - $2::int8, refresh_at = issued_at - $2::int8, last_lifetime_s = 3600 where integration_type = $1",
    // Expired even by a clock that goes back by an hour.
    [service, 7_200_000],
  );
  await query("select pg_notify('holdfast_changed', 'test')");
  // The notification is in transit. A reader that is faster gets the cached token.
  await delay(150);
}

export interface StoredRow {
  readonly generation: number;
  readonly attempt: number;
  readonly status: string;
  readonly reason: string | null;
  readonly is_open: boolean;
  readonly expires_in_s: number;
}

export async function storedConnection({ query }: Queried, service: string): Promise<StoredRow> {
  const [row] = await query(
    `select generation::int, attempt::int, status, reason, intent_at is not null or lease_owner is not null as is_open,
       ((expires_at - extract(epoch from clock_timestamp()) * 1000) / 1000)::int as expires_in_s
     from connections where integration_type = $1`,
    [service],
  );
  const json = parseJson(JSON.stringify(row));
  const { value } = json.get("reason");
  return {
    generation: numberIn(json.get("generation").value),
    attempt: numberIn(json.get("attempt").value),
    status: json.text("status"),
    reason: typeof value === "string" ? value : null,
    is_open: json.get("is_open").value === true,
    expires_in_s: numberIn(json.get("expires_in_s").value),
  };
}

function numberIn(value: unknown): number {
  if (typeof value !== "number") throw new Error(`${JSON.stringify(value)} is not a number.`);
  return value;
}

/** Returns the provider's status of the stored refresh token. It decides every fault test. */
export async function storedTokenStatus(node: Node, app: App, service: string, simulator: Simulator): Promise<string> {
  const config = loadConfig({ dataDir: node.data_dir }, { ...node.env });
  const { store, vault, close } = await openInstallation({ config, clock: systemClock, log: silentLog }, "command");
  try {
    const rows = await Promise.all((await store.listApps()).map(({ id }) => store.listConnections(id)));
    const row = rows
      .flat()
      .find(({ app_id, integration_type }) => app_id === app.app_id && integration_type === service);
    if (row?.sealed_refresh == null) return "none stored";
    const token = await vault.open(sealContext(row, "refresh"), sealedFromStorage(row.sealed_refresh));
    const hash = createHash("sha256").update(token.expose()).digest("hex");
    return simulator.ledger().refresh_tokens[hash]?.status ?? "unknown";
  } finally {
    await close();
  }
}
