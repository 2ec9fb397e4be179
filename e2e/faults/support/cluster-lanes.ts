/**
 * Lanes: a service with its OAuth client and a node of its own that may die, beside a first node that lives. Each rotation
 * class has some, so that trials run side by side and never share a provider's mode or a victim.
 */
import { rm } from "node:fs/promises";
import { startCluster, type Cluster, type Node } from "./cluster.ts";
import { CLASSES, expire, refreshesOf, read, subject, until } from "./outcome.ts";
import type { Rotation, Subject } from "./outcome.ts";
import type { Action, Passed } from "./points-plan.ts";
import { createDatabase } from "../../../packages/server/test/support/postgres.ts";

/** All of them end a grant whose single-use refresh token comes back, where tokens are single-use. */
const SERVICES: Readonly<Record<Rotation, readonly string[]>> = {
  none: ["googlecalendar", "gmail", "googledrive"],
  grace: ["jira", "confluence", "xero"],
  strict: ["slack", "github", "zoom"],
};

export const LEASE_MS = 3_000;
export const LEASE_STRICT_MS = 4_000;
export const RECOVERED_WITHIN_MS = 5_000;
/** The provider's own time, long enough to be killed in. */
const HELD = "2000ms";
/** What is left of a lease when its request must be over, and how long a claim may take to become a request. */
const FENCE_MS = 300;
const CLAIM_MS = 1_500;

/** Leases of seconds instead of minutes; everything else about them as it is. */
export function leases(strict_ms: number): Readonly<Record<string, string>> {
  return {
    HOLDFAST_REFRESH_DEADLINE_MS: String(LEASE_MS - FENCE_MS - CLAIM_MS),
    HOLDFAST_REFRESH_LEASE_MS: String(LEASE_MS),
    HOLDFAST_REFRESH_DEADLINE_STRICT_MS: String(strict_ms - FENCE_MS - CLAIM_MS),
    HOLDFAST_REFRESH_LEASE_STRICT_MS: String(strict_ms),
    HOLDFAST_REFRESH_FENCE_MS: String(FENCE_MS),
    HOLDFAST_FORCED_REFRESH_INTERVAL_MS: "1",
    HOLDFAST_BACKOFF_BASE_MS: "200",
    // The same provider is asked by everybody here, and half of them die of it.
    HOLDFAST_PROVIDER_REQUESTS_PER_S: "10000",
    HOLDFAST_PROVIDER_BURST: "10000",
    HOLDFAST_PROVIDER_CONCURRENCY: "1000",
    HOLDFAST_BREAKER_REQUESTS: "1000000",
  };
}

export const NEVER_SWEEPS = { HOLDFAST_SWEEP_INTERVAL_MS: "600000" };
/** What a sweeper that was stopped took up is left alone for no longer than this. */
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
  /** Runs every trial on some lane of its class, side by side; results are in the order of the trials. */
  runAll<T extends { readonly rotation: Rotation }, R>(
    trials: readonly T[],
    run: (lane: Lane, trial: T) => Promise<R>,
  ): Promise<readonly R[]>;
  /** The dead victim again, with what it left on its disk; or another one in its place. */
  restart(lane: Lane, with_its_disk: boolean): void;
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
    restart(lane, with_its_disk) {
      const cleared = with_its_disk
        ? Promise.resolve()
        : rm(cluster.dataDir(lane.name), { recursive: true, force: true });
      lane.victim = cleared.then(() => cluster.start(lane.name));
    },
    async close() {
      await Promise.all(lanes.map(({ victim }) => victim.catch(() => null)));
      await cluster.close();
      await database.drop();
    },
  };
}

/** Where a process meets its fault: at a point of its own, or when the provider has come so far with its request. */
export type Moment =
  | { readonly point: string }
  | { readonly at: number }
  /** The provider has the request; it will not carry it out. */
  | { readonly provider: "arrived" }
  /** The provider has carried the request out; nobody has its answer. */
  | { readonly provider: "processed" };

export interface Struck {
  readonly subject: Subject;
  /** The points passed; the one that fired is the last. Empty when the provider's ledger gave the moment. */
  readonly passed: readonly Passed[];
  /** Whether anything happened to it: false at a number that no point has. */
  readonly fired: boolean;
}

let plans = 0;

/** A fresh connection with an expired token, read from the victim, to which the fault happens on the way. */
export async function strike({ cluster }: Lanes, lane: Lane, moment: Moment, action: Action): Promise<Struck> {
  const { service, client_id } = lane;
  const { simulator } = cluster;
  const one = await subject(cluster, service, client_id);
  const victim = await lane.victim;
  await expire(cluster, one);
  if ("provider" in moment) {
    const modes = moment.provider === "arrived" ? [`stall-${HELD}`, "drop-before"] : [`slow-${HELD}`];
    simulator.setModes({ client_id, modes });
    void read(victim, one);
    const reached = moment.provider === "arrived" ? "pending" : "ok";
    await until(
      `${service} has the request`,
      () => refreshesOf(cluster, one).find((r) => r.outcome === reached) ?? null,
    );
    victim.signal("SIGKILL");
    await victim.ended();
    simulator.setModes({ client_id, modes: [] });
    return { subject: one, passed: [], fired: true };
  }
  plans += 1;
  const id = `plan-${plans}`;
  victim.arm({ id, action, at: 0, point: "", ...moment });
  const answered = read(victim, one);
  const hasFired = (): boolean => victim.passed(id).some(({ fired }) => fired);
  // A throw is over with the answer; after a kill there is none, and after a stop not yet.
  const answer = await Promise.race([answered, until("it struck", () => (hasFired() ? "struck" : null))]);
  if (answer === "struck" && action === "kill") await victim.ended();
  if (action.startsWith("throw")) await answered;
  return { subject: one, passed: victim.passed(id), fired: hasFired() };
}
