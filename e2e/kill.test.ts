/**
 * kill -9 at random moments under refresh load, then a restart with the same command, ten times.
 * The simulator's ledger decides: the provider must still accept the stored token, or the
 * connection must name the reason.
 */
import { createHash, randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Ledger } from "@holdfast/simulator";
import { expect, it, vi } from "vitest";
import type { SimulatedUser } from "../packages/server/src/cli/demo/simulated-user.ts";
import { createCatalog } from "../packages/server/src/providers/index.ts";
import { rotationClass } from "../packages/server/src/providers/provider.ts";
import { openStored, type StoredConnection } from "./support/stored.ts";
import {
  createApp,
  getConnection,
  initiate,
  prepareSite,
  setClient,
  signIn,
  startSimulated,
  type App,
  type Site,
} from "./support/server.ts";

const KILLS = process.env["TESTS"] === "all" ? 10 : 1;
const APPS = 3;
/**
 * Each client leaves a moment for a kill on both sides of the provider's processing: `stall` waits
 * before it, `slow` after it.
 */
const CLIENTS: Readonly<Record<string, string>> = {
  notion: "sim-life-60s+slow-40ms",
  slack: "sim-life-60s+rotate+stall-40ms",
  // Longer than a restart takes: the dead server's request is still in the network when the next
  // server runs.
  github: "sim-life-60s+rotate+stall-1500ms",
  googlecalendar: "sim-life-60s+slow-40ms",
  salesforce: "sim-life-60s+stall-40ms",
};
/** Leases of seconds instead of minutes, so they expire soon. */
const LIMITS = {
  HOLDFAST_FORCED_REFRESH_INTERVAL_MS: "1",
  HOLDFAST_REFRESH_DEADLINE_MS: "1000",
  HOLDFAST_REFRESH_LEASE_MS: "2000",
  HOLDFAST_REFRESH_DEADLINE_STRICT_MS: "2500",
  HOLDFAST_REFRESH_LEASE_STRICT_MS: "3500",
  HOLDFAST_REFRESH_FENCE_MS: "500",
  HOLDFAST_SWEEP_INTERVAL_MS: "200",
  HOLDFAST_BACKOFF_BASE_MS: "200",
  HOLDFAST_LOG_LEVEL: "warn",
};
const SETTLED_WITHIN_MS = 30_000;

const classOf = (service: string): string => {
  const provider = createCatalog().get(service);
  return provider === null ? "unknown" : rotationClass(provider);
};
const refreshesOf = ({ requests }: Ledger): number =>
  requests.filter(({ kind, outcome }) => kind === "refresh" && outcome === "ok").length;
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

it("loses no connection without naming the reason, and none at all where the refresh token does not rotate", async () => {
  const seed = Number(process.env["E2E_SEED"] ?? randomInt(2 ** 31));
  console.info(`kill -9: E2E_SEED=${seed}`);
  const random = randomFrom(seed);
  const simulator = await startSimulated();
  const site = await prepareSite(simulator.url);
  let server = await site.start(LIMITS);
  const builder = await signIn(site, server.ready.text("setup_url"));
  const apps = await connectEverything(site, builder);
  const lost: StoredConnection[] = [];

  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = refreshesOf(simulator.ledger());
    const load = startLoad(site, apps, random);
    // A busy machine starts slowly. Before two refreshes, a kill could hit none.
    await vi.waitUntil(() => refreshesOf(simulator.ledger()) >= before + 2, { timeout: SETTLED_WITHIN_MS });
    await delay(random() * 900);
    server.signal("SIGKILL");
    expect(await server.ended()).toBeNull();
    await load.stop();
    server = await site.start(LIMITS);
    // Still signed in: a session also survives the process.
    lost.push(...(await reconnectLost(site, apps, builder)));
  }

  await waitUntilSettled(site);
  server.signal("SIGTERM");
  expect(await server.ended()).toBe(0);
  const stored = await openStored(site.data_dir);
  const ledger = simulator.ledger();
  const refreshes = refreshesOf(ledger);
  console.info(`kill -9: ${KILLS} kills, ${refreshes} refreshes, ${lost.length} lost and named`);

  expect(stored).toHaveLength(APPS * Object.keys(CLIENTS).length);
  expect(stored.map((connection) => problemOf(connection, ledger)).filter(Boolean)).toEqual([]);
  expect(refreshes).toBeGreaterThan(KILLS);
  for (const connection of [...lost, ...stored.filter(({ status }) => status === "expired")]) {
    expect(connection).toMatchObject({ reason: "refresh_outcome_unknown" });
    expect(classOf(connection.integration_type)).toBe("strict");
  }
  // A single-use token was never sent while the provider was still processing an earlier request
  // with it.
  const strict = Object.values(ledger.refresh_tokens).filter(
    ({ vendor }) => vendor !== "google" && vendor !== "salesforce",
  );
  expect(Math.max(...strict.map(({ max_in_flight }) => max_in_flight))).toBe(1);
});

/** Returns the problem with a stored connection, or null. */
function problemOf({ integration_type, status, refresh_token }: StoredConnection, ledger: Ledger): string | null {
  if (status === "expired") return null;
  if (status !== "active" || refresh_token === null) return `${integration_type} is ${status} without a refresh token`;
  const found = ledger.refresh_tokens[hash(refresh_token)]?.status ?? "unknown";
  return found === "current" ? null : `${integration_type} is ${status}, and its stored refresh token is ${found}`;
}

async function connectEverything(site: Site, builder: SimulatedUser): Promise<readonly App[]> {
  const apps = await Promise.all(Array.from({ length: APPS }, (_, index) => createApp(site, `app ${index}`)));
  for (const [service, client_id] of Object.entries(CLIENTS)) {
    for (const [index, app] of apps.entries()) {
      if (index === 0) await setClient(site, app, service, client_id);
      await builder.connect(await initiate(site, app, service));
    }
  }
  return apps;
}

/**
 * Each connection refreshes about once a second, so most kills hit some refreshes in flight and few
 * hit all of them.
 */
function startLoad(site: Site, apps: readonly App[], random: () => number): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const refreshForever = async (app: App, service: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      await delay(random() * 1200, undefined, { signal: stopping.signal }).catch(() => {});
      // Refused connections are expected: the server is down for a moment.
      const { access_token } = await getConnection(site, app, service).catch(() => ({ access_token: null }));
      if (access_token !== null) await getConnection(site, app, service, hash(access_token)).catch(() => null);
    }
  };
  const loops = apps.flatMap((app) => Object.keys(CLIENTS).map((service) => refreshForever(app, service)));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

/**
 * Reconnects lost connections as a builder does after the notice, so the next round can lose them
 * again.
 */
async function reconnectLost(
  site: Site,
  apps: readonly App[],
  builder: SimulatedUser,
): Promise<readonly StoredConnection[]> {
  const lost = (await openStored(site.data_dir)).filter(({ status }) => status === "expired");
  if (lost.length === 0) return [];
  for (const { app_id, integration_type } of lost) {
    const app = apps.find((one) => one.app_id === app_id);
    if (app !== undefined) await builder.connect(`${site.server_url}/apps/${app_id}/connect/${integration_type}`);
  }
  return lost;
}

/** Waits until no refresh is open: leases have expired, and the sweeper has run. */
async function waitUntilSettled(site: Site): Promise<void> {
  const deadline = performance.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const open = (await openStored(site.data_dir)).filter(({ is_open }) => is_open);
    if (open.length === 0) return;
    if (performance.now() > deadline)
      throw new Error(`Still open: ${JSON.stringify(open.map((one) => one.integration_type))}`);
    await delay(250);
  }
}

/** mulberry32: roughly the same moments again for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
