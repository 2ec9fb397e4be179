/**
 * kill -9 at random moments under refresh load, restart with the one command, ten times over. The simulator's ledger is the
 * judge: what is stored must be what the provider still honours, or the connection says why not.
 */
import { createHash, randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Ledger } from "@holdfast/simulator";
import { expect, it } from "vitest";
import type { Person } from "../packages/server/src/cli/demo/person.ts";
import { createCatalog } from "../packages/server/src/providers/index.ts";
import { rotationClass } from "../packages/server/src/providers/provider.ts";
import { openStored, type StoredConnection } from "./support/stored.ts";
import {
  createApp,
  getConnection,
  initiate,
  prepareSite,
  setClient,
  signedIn,
  startSimulated,
  type App,
  type Site,
} from "./support/server.ts";

const KILLS = 10;
const APPS = 3;
/** A moment that a kill can hit on each side of what the provider does: `stall` waits before it, `slow` after it. */
const CLIENTS: Readonly<Record<string, string>> = {
  notion: "sim-life-60s+slow-40ms",
  slack: "sim-life-60s+rotate+stall-40ms",
  // Longer than a restart takes: the dead server's request is still on the wire when the next server is there.
  github: "sim-life-60s+rotate+stall-1500ms",
  googlecalendar: "sim-life-60s+slow-40ms",
  salesforce: "sim-life-60s+stall-40ms",
};
/** Leases of seconds instead of minutes, so that "after the leases are over" comes soon. */
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
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

it("loses no connection without saying so, and none at all where the refresh token stays", async () => {
  const seed = Number(process.env["E2E_SEED"] ?? randomInt(2 ** 31));
  console.info(`kill -9: E2E_SEED=${seed}`);
  const random = randomFrom(seed);
  const simulator = await startSimulated();
  const site = await prepareSite(simulator.url);
  let server = await site.start(LIMITS);
  const person = await signedIn(site, server.ready.text("setup_url"));
  const apps = await connectEverything(site, person);
  const lost: StoredConnection[] = [];

  for (let kill = 0; kill < KILLS; kill += 1) {
    const load = startLoad(site, apps, random);
    await delay(150 + random() * 900);
    server.signal("SIGKILL");
    expect(await server.ended()).toBeNull();
    await load.stop();
    server = await site.start(LIMITS);
    // Signed in as before: a session outlives the process, too.
    lost.push(...(await reconnectLost(site, apps, person)));
  }

  await settled(site);
  server.signal("SIGTERM");
  expect(await server.ended()).toBe(0);
  const stored = await openStored(site.data_dir);
  const ledger = simulator.ledger();
  const refreshes = ledger.requests.filter(({ kind, outcome }) => kind === "refresh" && outcome === "ok").length;
  console.info(`kill -9: ${KILLS} kills, ${refreshes} refreshes, ${lost.length} lost and named`);

  expect(stored).toHaveLength(APPS * Object.keys(CLIENTS).length);
  expect(stored.map((connection) => complaint(connection, ledger)).filter(Boolean)).toEqual([]);
  expect(refreshes).toBeGreaterThan(KILLS);
  for (const connection of [...lost, ...stored.filter(({ status }) => status === "expired")]) {
    expect(connection).toMatchObject({ reason: "refresh_outcome_unknown" });
    expect(classOf(connection.integration_type)).toBe("strict");
  }
  // A single-use token was never sent while an earlier sending of it was being processed.
  const strict = Object.values(ledger.refresh_tokens).filter(
    ({ vendor }) => vendor !== "google" && vendor !== "salesforce",
  );
  expect(Math.max(...strict.map(({ max_in_flight }) => max_in_flight))).toBe(1);
});

/** Null, or what is wrong with what is stored. */
function complaint({ integration_type, status, refresh_token }: StoredConnection, ledger: Ledger): string | null {
  if (status === "expired") return null;
  if (status !== "active" || refresh_token === null) return `${integration_type} is ${status} without a refresh token`;
  const found = ledger.refresh_tokens[hash(refresh_token)]?.status ?? "unknown";
  return found === "current" ? null : `${integration_type} is ${status}, and its stored refresh token is ${found}`;
}

async function connectEverything(site: Site, person: Person): Promise<readonly App[]> {
  const apps = await Promise.all(Array.from({ length: APPS }, (_, index) => createApp(site, `app ${index}`)));
  for (const [service, client_id] of Object.entries(CLIENTS)) {
    for (const [index, app] of apps.entries()) {
      if (index === 0) await setClient(site, app, service, client_id);
      await person.connect(await initiate(site, app, service));
    }
  }
  return apps;
}

/** Each connection refreshes about once a second: most kills find something in flight, few find everything in flight. */
function startLoad(site: Site, apps: readonly App[], random: () => number): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const refreshForever = async (app: App, service: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      await delay(random() * 1200, undefined, { signal: stopping.signal }).catch(() => {});
      // Refused connections are the point here: the server is gone for a moment.
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

/** What a person does after the notice, so that the next round has something to lose again. */
async function reconnectLost(site: Site, apps: readonly App[], person: Person): Promise<readonly StoredConnection[]> {
  const lost = (await openStored(site.data_dir)).filter(({ status }) => status === "expired");
  if (lost.length === 0) return [];
  for (const { app_id, integration_type } of lost) {
    const app = apps.find((one) => one.app_id === app_id);
    if (app !== undefined) await person.connect(`${site.server_url}/apps/${app_id}/connect/${integration_type}`);
  }
  return lost;
}

/** No refresh is open any more: leases are over, and the sweeper has been there. */
async function settled(site: Site): Promise<void> {
  const until = performance.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const open = (await openStored(site.data_dir)).filter(({ is_open }) => is_open);
    if (open.length === 0) return;
    if (performance.now() > until)
      throw new Error(`Still open: ${JSON.stringify(open.map((one) => one.integration_type))}`);
    await delay(250);
  }
}

/** mulberry32: the same moments again for the same seed, as far as a machine allows. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
