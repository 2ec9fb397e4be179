/** The state of the database server, and the helpers that the parts of the cluster share. */
import { CodedError } from "../../src/core/errors.ts";
import { LIMITS } from "../../src/core/limits.ts";
import type { Clock } from "../../src/core/clock.ts";
import { plus, type Instant } from "../../src/core/types.ts";
import type { ChangeNotice } from "../../src/store/engine.ts";
import type { Operation } from "../../src/store/operation.ts";
import type { SharedDatabase, Snapshot } from "./database.ts";
import type { Profile } from "./faults.ts";
import type { Life, Step, World } from "./world.ts";

export interface ClusterOptions {
  readonly world: World;
  readonly profile: Profile;
  readonly database: SharedDatabase;
  /** The clock of the machine that a process runs on. */
  readonly clockOf: (life: Life) => Clock;
  /** The database's time at the beginning. */
  readonly wall: Instant;
  readonly step: Step;
  /** Called when a commit happened, or a failover lost some. */
  readonly observe: (what: "commit" | "failover") => void;
}

/** The session of a node. */
interface Session {
  readonly life: Life;
  readonly listeners: Set<(notice: ChangeNotice) => void>;
  /** A notice is on its way to the node. */
  is_announced: boolean;
}

export interface ClusterState extends ClusterOptions {
  readonly sessions: Map<number, Session>;
  /** When an operation of a node last failed, in true time. */
  readonly failed_at: Map<number, number>;
  readonly cut_off_until: Map<number, number>;
  /** When the server notices the death of an owner, in true time. */
  readonly death_noticed_at: Map<string, number>;
  /** Owners whose lock is lost. */
  readonly unlocked: Set<string>;
  /** When an owner got its lock back, in true time. */
  readonly relocked_at: Map<string, number>;
  /** Until when an owner ignores liveness, by the database's clock. */
  readonly settled_at: Map<string, number>;
  clock_offset_ms: number;
  jumped_ms: number;
  jumped_ahead: boolean;
  down_until: number;
  slow_until: number;
  /** The error during an outage. */
  error_code: "database_unavailable" | "storage_full";
  /** The outage concerns writes only. */
  writes_only: boolean;
  version: number;
  failed_over_at: number;
  /** The state before each of the last commits. */
  recent: readonly { readonly at: number; readonly snapshot: Snapshot }[];
}

/** Commits that a standby may not have when it takes over. */
const UNREPLICATED = 3;
const SESSION_BEAT_MS = 1_000;

export function createState(options: ClusterOptions): ClusterState {
  return {
    ...options,
    sessions: new Map(),
    failed_at: new Map(),
    cut_off_until: new Map(),
    death_noticed_at: new Map(),
    unlocked: new Set(),
    relocked_at: new Map(),
    settled_at: new Map(),
    clock_offset_ms: 0,
    jumped_ms: 0,
    jumped_ahead: false,
    down_until: -1,
    slow_until: -1,
    error_code: "database_unavailable",
    writes_only: false,
    version: 0,
    failed_over_at: 0,
    recent: [],
  };
}

export const databaseNow = ({ wall, world, clock_offset_ms }: ClusterState): Instant =>
  plus(wall, world.now() + clock_offset_ms);

export const isDown = ({ world, down_until }: ClusterState): boolean => world.now() < down_until;

export const isCutOff = ({ world, cut_off_until }: ClusterState, node: number): boolean =>
  world.now() < (cut_off_until.get(node) ?? 0);

export const unavailable = (): CodedError => new CodedError("database_unavailable");

export function recordFailure({ failed_at, world }: ClusterState, node: number): void {
  failed_at.set(node, world.now());
}

export async function commit<T>(state: ClusterState, operation: Operation<T>): Promise<T> {
  const { profile, database, world } = state;
  const before = profile.failover_lost_commits > 0 ? database.snapshot() : null;
  const value = await database.execute(operation, databaseNow(state), true);
  if (!database.changed) return value;
  if (before !== null) state.recent = [...state.recent.slice(1 - UNREPLICATED), { at: world.now(), snapshot: before }];
  state.version += 1;
  state.observe("commit");
  return value;
}

/** Sends one coalesced notice to each node except the writer. */
export function announce({ sessions, world }: ClusterState, writer: Life): void {
  for (const session of sessions.values()) {
    if (session.life === writer || session.is_announced || session.life.dead) continue;
    session.is_announced = true;
    world.at(session.life, 5, () => {
      session.is_announced = false;
      notify(sessions, session.life.node, "written");
    });
  }
}

export function notify(sessions: ClusterState["sessions"], node: number, notice: ChangeNotice): void {
  for (const listener of sessions.get(node)?.listeners ?? []) listener(notice);
}

/** All nodes lose their sessions and locks until the given time. */
export function loseSessions(state: ClusterState, until: number): void {
  for (const { life } of state.sessions.values()) {
    if (life.dead) continue;
    state.unlocked.add(life.owner);
    reconnect(state, life.node, until);
  }
}

/** A node without a session notices at each beat that it does not know what others write. */
export function reconnect(state: ClusterState, node: number, until: number): void {
  const { sessions, world } = state;
  const session = sessions.get(node);
  if (session === undefined || session.life.dead) return;
  const { life } = session;
  world.at(life, SESSION_BEAT_MS, () => {
    if (world.now() < until) {
      notify(sessions, node, "unknown");
      reconnect(state, node, until);
      return;
    }
    state.unlocked.delete(life.owner);
    state.relocked_at.set(life.owner, world.now());
    state.settled_at.set(life.owner, databaseNow(state) + LIMITS.presence_settle_ms);
    notify(sessions, node, "reconnected");
  });
}
