/**
 * The nodes' view of the database: an Engine for each process, with the latency and the failures of
 * a database server. Only the server knows whose session still holds its lock, and which commits
 * really happened. `observe` checks the invariants at the instant of each commit.
 */
import type { Instant } from "../../src/core/types.ts";
import type { Engine } from "../../src/store/engine.ts";
import type { Operation } from "../../src/store/operation.ts";
import { engineOf } from "./cluster-engine.ts";
import {
  commit,
  createState,
  databaseNow,
  isCutOff,
  isDown,
  loseSessions,
  reconnect,
  recordFailure,
  type ClusterOptions,
  type ClusterState,
} from "./cluster-state.ts";
import type { Life } from "./world.ts";

export interface Cluster {
  /** The database's clock. */
  now(): Instant;
  engineOf(life: Life): Engine;
  /** Returns when an operation of this node last failed or was slow, in true time. */
  lastFailureAt(node: number): number;
  /** Grows with each commit. */
  readonly version: number;
  /** True time of the last failover. 0 if there was none. */
  readonly failed_over_at: number;
  isDown(): boolean;
  isCutOff(node: number): boolean;
  down(how: Outage, for_ms: number): void;
  slow(for_ms: number): void;
  cutOff(node: number, for_ms: number): void;
  failOver(): void;
  jumpClock(ms: number): void;
  /** A process died. The server may notice it only later. */
  died(life: Life, noticed_in_ms: number): void;
  /**
   * Reports whether the server considered this process dead at some time since, although it lived.
   */
  lockLostSince(owner: string, at: number): boolean;
  /** Ends all failures. */
  heal(): void;
  /** How far the clock was moved at most. */
  readonly jumped_ms: number;
  readonly jumped_ahead: boolean;
  /** Commits on the server itself, without a network in between. */
  commit<T>(operation: Operation<T>): Promise<T>;
}

type Outage = "database_down" | "database_down_after_send" | "database_full" | "database_read_only";

const REPLICATION_LAG_MS = 1_500;

export function createCluster(options: ClusterOptions): Cluster {
  const state = createState(options);
  return {
    now: () => databaseNow(state),
    engineOf: (life) => engineOf(state, life),
    lastFailureAt: (node) => lastFailureAt(state, node),
    get version() {
      return state.version;
    },
    get failed_over_at() {
      return state.failed_over_at;
    },
    isDown: () => isDown(state),
    isCutOff: (node) => isCutOff(state, node),
    down: (how, for_ms) => down(state, how, for_ms),
    slow: (for_ms) => slow(state, for_ms),
    cutOff: (node, for_ms) => cutOff(state, node, for_ms),
    failOver: () => failOver(state),
    jumpClock: (ms) => jumpClock(state, ms),
    died: ({ owner }, noticed_in_ms) => void state.death_noticed_at.set(owner, state.world.now() + noticed_in_ms),
    lockLostSince: (owner, at) => state.unlocked.has(owner) || (state.relocked_at.get(owner) ?? -1) >= at,
    heal: () => heal(state),
    get jumped_ahead() {
      return state.jumped_ahead;
    },
    get jumped_ms() {
      return state.jumped_ms;
    },
    commit: (operation) => commit(state, operation),
  };
}

function lastFailureAt(
  { world, down_until, slow_until, cut_off_until, failed_at }: ClusterState,
  node: number,
): number {
  const latest = Math.max(down_until, slow_until, cut_off_until.get(node) ?? -1, failed_at.get(node) ?? -1);
  return Math.min(world.now(), latest);
}

function down(state: ClusterState, how: Outage, for_ms: number): void {
  const { world } = state;
  state.down_until = world.now() + for_ms;
  state.error_code = how === "database_full" ? "storage_full" : "database_unavailable";
  state.writes_only = how === "database_full" || how === "database_read_only";
  world.happened(how, `${for_ms} ms`);
  for (const node of state.sessions.keys()) recordFailure(state, node);
  if (!state.writes_only) loseSessions(state, state.down_until);
}

function slow(state: ClusterState, for_ms: number): void {
  state.slow_until = state.world.now() + for_ms;
  state.world.happened("database_slow", `${for_ms} ms`);
}

function cutOff(state: ClusterState, node: number, for_ms: number): void {
  const { world } = state;
  state.cut_off_until.set(node, world.now() + for_ms);
  recordFailure(state, node);
  world.happened("node_cut_off", `node ${node}, ${for_ms} ms`);
  reconnect(state, node, world.now() + for_ms);
}

/** A standby takes over without the latest commits. */
function failOver(state: ClusterState): void {
  const { world, database } = state;
  const lost = state.recent.filter(({ at }) => at > world.now() - REPLICATION_LAG_MS);
  const [oldest] = lost;
  if (oldest === undefined) return;
  database.restore(oldest.snapshot);
  state.recent = [];
  state.version += 1;
  state.failed_over_at = world.now();
  world.happened("failover_lost_commits", `${lost.length} writes`);
  state.observe("failover");
  state.down_until = Math.max(state.down_until, world.now() + 1_500);
  state.error_code = "database_unavailable";
  state.writes_only = false;
  loseSessions(state, state.down_until);
}

function jumpClock(state: ClusterState, ms: number): void {
  state.clock_offset_ms += ms;
  state.jumped_ms += Math.abs(ms);
  state.jumped_ahead ||= ms > 0;
  state.world.happened("database_clock_jumps", `${ms} ms`);
}

function heal(state: ClusterState): void {
  const { cut_off_until, sessions } = state;
  const now = state.world.now();
  state.down_until = Math.min(state.down_until, now);
  state.slow_until = Math.min(state.slow_until, now);
  for (const [node, until] of cut_off_until) cut_off_until.set(node, Math.min(until, now));
  for (const node of sessions.keys()) recordFailure(state, node);
}
