/** Starts a simulator and returns its handle. Many can run in one process. They share nothing. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { Ledger } from "./engine/ledger.ts";
import { createRouter } from "./engine/http/router.ts";
import { createSimulatorServer } from "./engine/http/server.ts";
import type { GrantFilter } from "./engine/state.ts";
import {
  World,
  type ApiState,
  type ClientRegistration,
  type Clock,
  type Lifetimes,
  type ModeSwitch,
  type Wait,
} from "./engine/world.ts";
import { vendors } from "./vendors/index.ts";

export interface SimulatorOptions {
  /** Default 0: any free port. Always on 127.0.0.1. */
  readonly port?: number;
  /** Source of the simulated time, before `advance` and `setNow`. Default: the system clock. */
  readonly clock?: Clock;
  /**
   * Waits for `slow`, `stall` and `drip`. Default: real time. Must resolve early when the signal
   * aborts.
   */
  readonly wait?: Wait;
  readonly clients?: readonly ClientRegistration[];
  /** Limit of the ledger's list of requests. Default 10,000. */
  readonly requests_max?: number;
  /**
   * Limit of each table of codes, grants and tokens. The oldest entries are evicted. Default
   * 100,000.
   */
  readonly tokens_max?: number;
}

export interface Simulator {
  /** `http://127.0.0.1:PORT`, the value for HOLDFAST_PROVIDER_GATEWAY. */
  readonly url: string;
  readonly port: number;
  ledger(): Ledger;
  /**
   * Returns the API calls, and the objects that they created, changed and deleted. Both in order,
   * and without tokens.
   * @param vendor only this vendor's, by its id in `src/vendors/`: `google`, `slack`.
   */
  state(vendor?: string): ApiState;
  /** Forgets the objects and the list of API calls. Grants, tokens and the ledger stay. */
  clearState(): void;
  /** Simulated time, ms since epoch. */
  now(): number;
  advance(delta_ms: number): void;
  setNow(now_ms: number): void;
  /** Applies to one host, or to all hosts without `host`. */
  setLifetimes(lifetimes: Lifetimes, host?: string): void;
  /** @throws RangeError if a mode does not exist. */
  setModes(change: ModeSwitch): void;
  registerClient(client: ClientRegistration): void;
  /** Revokes as a user would at the vendor, and returns the number of live grants that ended. */
  revokeGrants(filter: GrantFilter): number;
  reset(): void;
  /** Cuts open connections and ends waits, then resolves. */
  close(): Promise<void>;
}

const realWait: Wait = async (delay_ms, signal) => {
  await delay(delay_ms, undefined, { signal }).catch(() => undefined);
};

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const world = new World({
    clock: options.clock ?? { now: () => Date.now() },
    wait: options.wait ?? realWait,
    clients: options.clients ?? [],
    requests_max: options.requests_max ?? 10_000,
    tokens_max: options.tokens_max ?? 100_000,
  });
  const server = createSimulatorServer({ world, vendors, router: createRouter(vendors) });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    ledger: () => world.ledger(),
    state: (vendor) => world.apiState(vendor),
    clearState: () => world.clearState(),
    now: () => world.now(),
    advance: (delta_ms) => world.advance(delta_ms),
    setNow: (now_ms) => world.setNow(now_ms),
    setLifetimes: (lifetimes, host) => world.setLifetimes(lifetimes, host),
    setModes: (change) => world.switchModes(change),
    registerClient: (client) => world.register(client),
    revokeGrants: (filter) => world.state.revoke(filter, "user"),
    reset: () => world.reset(),
    close: async () => {
      world.closing.abort();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
