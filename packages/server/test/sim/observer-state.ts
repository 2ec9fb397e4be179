/** The state of the observer, and the helpers that its parts share. */
import type { ConnectionRow } from "../../src/store/tables.ts";
import type { Cluster } from "./cluster.ts";
import type { SharedDatabase } from "./database.ts";
import type { InvariantName } from "./invariants.ts";
import type { Request } from "./network.ts";
import type { Grant, ProviderModel, RefreshToken } from "./provider.ts";
import type { World } from "./world.ts";

export interface ObserverOptions {
  readonly world: World;
  readonly provider: ProviderModel;
  readonly database: SharedDatabase;
  readonly cluster: Cluster;
  readonly connections: readonly string[];
}

export interface Claim {
  readonly owner: string;
  readonly fp: string;
  /** True time. */
  readonly lease_ends_at: number;
}

const COUNTED_EVENTS = ["connection.needs_reconnect", "connection.recovered", "connection.disconnected"] as const;

/** The observer's record of one connection. */
export interface Watched {
  row: ConnectionRow | null;
  readonly expected: Record<(typeof COUNTED_EVENTS)[number], number>;
  /** Requests sent although the connection had ended. */
  after_end: number;
  /** The config that a builder set last. */
  setting: string | null;
}

export interface ObserverState extends ObserverOptions {
  readonly watched: ReadonlyMap<string, Watched>;
  /** Claims without a request so far. */
  readonly claims: Claim[];
  readonly requests: Request[];
  readonly lost_grants: Set<Grant>;
  /** Times of at least HELP_MS without a fault, and the beginning of the current one. */
  readonly quiet: { readonly from: number; readonly to: number }[];
  quiet_since: number;
}

/**
 * The most that a healthy node needs for a refresh: a lease of 20 s, a sweep, and the longest of
 * the first retries.
 */
export const HELP_MS = 45_000;
export function check({ world }: ObserverState, name: InvariantName, holds: boolean, detail: () => string): void {
  world.check(name, holds, detail);
}

export function tokenOf({ provider }: ObserverState, row: ConnectionRow): RefreshToken | null {
  return provider.token((row.rt_fp ?? "").slice("fp.".length));
}

/**
 * Reports whether some invariants do not apply: after a failover lost commits, or after the
 * database's clock ended a lease early.
 */
export function isExcused({ cluster }: ObserverState): boolean {
  return cluster.failed_over_at > 0 || cluster.jumped_ahead;
}

export function countEvents(
  state: ObserverState,
  id: string,
): readonly (readonly [type: keyof Watched["expected"], count: number])[] {
  const events = state.database.events().filter(({ connection_id }) => connection_id === id);
  return COUNTED_EVENTS.map((type) => [type, events.filter(({ payload }) => payload.includes(`"${type}"`)).length]);
}
