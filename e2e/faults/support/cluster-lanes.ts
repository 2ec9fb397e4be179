/**
 * Lanes: a service with its OAuth client and a node that may die, beside a first node that stays
 * alive. Each rotation class has some, so trials run side by side and never share a provider's
 * modes or a victim.
 */
import { rm } from "node:fs/promises";
import { startCluster, type Cluster, type Node } from "./cluster.ts";
import { CLASSES, expire, refreshesOf, read, createSubject, waitFor } from "./outcome.ts";
import type { Rotation, Subject } from "./outcome.ts";
import type { Action, PassedPoint } from "./points-plan.ts";
import { createDatabase } from "../../../packages/server/test/support/postgres.ts";

/** The strict services end the grant when a used refresh token is presented. */
const SERVICES: Readonly<Record<Rotation, readonly string[]>> = {
  none: ["googlecalendar", "gmail", "googledrive"],
  grace: ["jira", "confluence", "xero"],
  strict: ["slack", "github", "zoom"],
};

export const LEASE_MS = 3_000;
export const LEASE_STRICT_MS = 4_000;
export const RECOVERED_WITHIN_MS = 5_000;
/** The provider's processing time, long enough for a kill. */
const PROVIDER_TIME = "2000ms";
/**
 * The rest of a lease when its request must have ended, and how long a claim may take to become a
 * request.
 */
const FENCE_MS = 300;
const CLAIM_MS = 1_500;

/** Leases of seconds instead of minutes. Their relations stay as they are. */
export function leases(strict_ms: number): Readonly<Record<string, string>> {
  return {
    HOLDFAST_REFRESH_DEADLINE_MS: String(LEASE_MS - FENCE_MS - CLAIM_MS),
    HOLDFAST_REFRESH_LEASE_MS: String(LEASE_MS),
    HOLDFAST_REFRESH_DEADLINE_STRICT_MS: String(strict_ms - FENCE_MS - CLAIM_MS),
    HOLDFAST_REFRESH_LEASE_STRICT_MS: String(strict_ms),
    HOLDFAST_REFRESH_FENCE_MS: String(FENCE_MS),
    HOLDFAST_FORCED_REFRESH_INTERVAL_MS: "1",
    HOLDFAST_BACKOFF_BASE_MS: "200",
    // Many nodes call the same provider here, and half of them die of it.
    HOLDFAST_PROVIDER_REQUESTS_PER_S: "10000",
    HOLDFAST_PROVIDER_BURST: "10000",
    HOLDFAST_PROVIDER_CONCURRENCY: "1000",
    HOLDFAST_BREAKER_REQUESTS: "1000000",
  };
}

export const NEVER_SWEEPS = { HOLDFAST_SWEEP_INTERVAL_MS: "600000" };
/** Limits how long a reservation of a stopped sweeper holds. */
export const SWEEPS_OFTEN = { HOLDFAST_SWEEP_INTERVAL_MS: "200", HOLDFAST_SWEEP_RESERVE_MS: "500" };

export interface Lane {
  readonly rotation: Rotation;
  readonly service: string;
  readonly client_id: string;
  readonly name: string;
  victim: Promise<Node>;
}

export interface Lanes {
  readonly cluster: Cluster;
  /**
   * Runs every trial on a lane of its class, side by side. Results are in the order of the trials.
   */
  runAll<T extends { readonly rotation: Rotation }, R>(
    trials: readonly T[],
    run: (lane: Lane, trial: T) => Promise<R>,
  ): Promise<readonly R[]>;
  /** Restarts the dead victim, with its disk or with an empty one. */
  restart(lane: Lane, keep_disk: boolean): void;
  close(): Promise<void>;
}

export async function openLanes(per_class: number, lease_strict_ms = LEASE_STRICT_MS): Promise<Lanes> {
  const database = await createDatabase();
  const env = { ...leases(lease_strict_ms), ...NEVER_SWEEPS };
  const cluster = await startCluster({ database, env, first_env: SWEEPS_OFTEN });
  const lanes = CLASSES.flatMap((rotation) =>
    SERVICES[rotation].slice(0, per_class).map((service): Lane => {
      const client_id = `sim-${rotation === "strict" ? "rotate" : "ok"}.${service}`;
      return { rotation, service, client_id, name: service, victim: cluster.start(service) };
    }),
  );
  await Promise.all(lanes.map(({ victim }) => victim));
  return {
    cluster,
    async runAll(trials, run) {
      const waiting = [...trials.entries()];
      const results = await Promise.all(
        lanes.map(async (lane) => {
          const done = [];
          for (;;) {
            const next = waiting.findIndex(([, { rotation }]) => rotation === lane.rotation);
            const [entry] = next < 0 ? [] : waiting.splice(next, 1);
            if (entry === undefined) return done;
            done.push([entry[0], await run(lane, entry[1])] as const);
          }
        }),
      );
      return results
        .flat()
        .toSorted(([a], [b]) => a - b)
        .map(([, result]) => result);
    },
    restart(lane, keep_disk) {
      const cleared = keep_disk ? Promise.resolve() : rm(cluster.dataDir(lane.name), { recursive: true, force: true });
      lane.victim = cleared.then(() => cluster.start(lane.name));
    },
    async close() {
      await Promise.all(lanes.map(({ victim }) => victim.catch(() => null)));
      await cluster.close();
      await database.drop();
    },
  };
}

/**
 * When a process meets its fault: at a point of its own, or at a step of the provider's processing.
 */
export type Moment =
  | { readonly point: string }
  | { readonly at: number }
  /** The provider has the request and will not process it. */
  | { readonly provider: "arrived" }
  /** The provider has processed the request, and its response is not delivered yet. */
  | { readonly provider: "processed" };

export interface Injected {
  readonly subject: Subject;
  /** The passed points. The one that fired is the last. Empty for a step of the provider. */
  readonly passed: readonly PassedPoint[];
  /** Whether the fault happened. false if no point has that number. */
  readonly fired: boolean;
}

let plans = 0;

/**
 * Connects an account, expires its token, reads it from the victim, and injects the fault into that
 * refresh.
 */
export async function inject({ cluster }: Lanes, lane: Lane, moment: Moment, action: Action): Promise<Injected> {
  const { service, client_id } = lane;
  const { simulator } = cluster;
  const subject = await createSubject(cluster, service, client_id);
  const victim = await lane.victim;
  await expire(cluster, subject);
  if ("provider" in moment) {
    const modes = moment.provider === "arrived" ? [`stall-${PROVIDER_TIME}`, "drop-before"] : [`slow-${PROVIDER_TIME}`];
    simulator.setModes({ client_id, modes });
    void read(victim, subject);
    const reached = moment.provider === "arrived" ? "pending" : "ok";
    await waitFor(
      `${service} has the request`,
      () => refreshesOf(cluster, subject).find(({ outcome }) => outcome === reached) ?? null,
    );
    victim.signal("SIGKILL");
    await victim.ended();
    simulator.setModes({ client_id, modes: [] });
    return { subject, passed: [], fired: true };
  }
  plans += 1;
  const id = `plan-${plans}`;
  victim.arm({ id, action, at: 0, point: "", ...moment });
  const reply = read(victim, subject);
  const hasFired = (): boolean => victim.passed(id).some(({ fired }) => fired);
  // A throw ends with a reply. After a kill there is none, and after a stop not yet.
  const event = await Promise.race([reply, waitFor("the fault fired", () => (hasFired() ? "fired" : null))]);
  if (event === "fired" && action === "kill") await victim.ended();
  if (action.startsWith("throw")) await reply;
  return { subject, passed: victim.passed(id), fired: hasFired() };
}
