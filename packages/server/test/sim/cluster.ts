/**
 * The nodes' view of the database: an Engine for each process, with the latency and the failures of a database server, and
 * what only the server knows: whose session still holds its lock, and what was really committed.
 *
 * Everything that is committed is looked at by the invariants (`observe`), in the instant in which it becomes true.
 */
import { ApiError } from "../../src/core/errors.ts";
import { LIMITS } from "../../src/core/limits.ts";
import type { Clock } from "../../src/core/clock.ts";
import { plus, type Instant } from "../../src/core/types.ts";
import { databaseTime, type DatabaseTime } from "../../src/store/postgres-driver.ts";
import type { ChangeNotice, Engine } from "../../src/store/engine.ts";
import type { Operation } from "../../src/store/operation.ts";
import type { SharedDatabase, Snapshot } from "./database.ts";
import type { Profile } from "./faults.ts";
import type { Life, Step, World } from "./world.ts";

/** Writes that a copy of the database may not have got before it takes over. */
const UNREPLICATED = 3;
const REPLICATION_LAG_MS = 1_500;

export interface Cluster {
  /** The database's clock. */
  now(): Instant;
  engineOf(life: Life): Engine;
  /** What a failed operation of this node was last, in true time. */
  troubledAt(node: number): number;
  /** Grows with each commit, whatever it changed. */
  readonly version: number;
  /** 0: never. */
  readonly failed_over_at: number;
  isDown(): boolean;
  isCutOff(node: number): boolean;
  down(how: Outage, for_ms: number): void;
  slow(for_ms: number): void;
  cutOff(node: number, for_ms: number): void;
  failOver(): void;
  jumpClock(ms: number): void;
  /** The process is gone; the server may notice only later. */
  died(life: Life, noticed_in_ms: number): void;
  /** Whether the server took this process for dead at some time since, though it lived. */
  lockLostSince(owner: string, at: number): boolean;
  /** Everything answers from now on. */
  heal(): void;
  /** How far its clock was moved at most. */
  readonly jumped_ms: number;
  readonly jumped_ahead: boolean;
  /** Of the server itself, without a network in between. */
  commit<T>(operation: Operation<T>): Promise<T>;
}

type Outage = "database_down" | "database_down_after_send" | "database_full" | "database_read_only";

export interface ClusterOptions {
  readonly world: World;
  readonly profile: Profile;
  readonly database: SharedDatabase;
  /** The clock of the machine that a process runs on. */
  readonly clockOf: (life: Life) => Clock;
  /** What its clock says at first. */
  readonly wall: Instant;
  readonly step: Step;
  /** Something was committed, or taken back by a fail-over. */
  readonly observe: (what: "commit" | "fail-over") => void;
}

const BEAT_MS = 1_000;

/** Begins to ask for the time; what is returned takes the answer, which may never come. */
function askTime(time: DatabaseTime): (now: Instant) => void {
  let answer: (outcome: { rows: { now: number }[] }) => void = () => {};
  const query = (): Promise<unknown> => new Promise((resolve) => (answer = resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a client nothing is used but this.
  void time.sync({ query } as unknown as Parameters<DatabaseTime["sync"]>[0]);
  return (now) => answer({ rows: [{ now }] });
}

const BEFORE = { read: "before a read", write: "before a write", bookkeeping: "before bookkeeping" } as const;
const AFTER = { read: "after a read", write: "after a write", bookkeeping: "after bookkeeping" } as const;

export function createCluster({ world, profile, database, clockOf, wall, step, observe }: ClusterOptions): Cluster {
  const { random } = world;
  const troubled = new Map<number, number>();
  const cut_off_until = new Map<number, number>();
  const gone = new Map<string, number>();
  const unlocked = new Set<string>();
  const relocked = new Map<string, number>();
  const settled_at = new Map<string, number>();
  const lives = new Map<number, { life: Life; listeners: Set<(notice: ChangeNotice) => void>; announced: boolean }>();
  let offset = 0;
  let jumped_ms = 0;
  let jumped_ahead = false;
  let down_until = -1;
  let refusal: "database_unavailable" | "storage_full" = "database_unavailable";
  let writes_only = false;
  let slow_until = -1;
  let version = 0;
  let failed_over_at = 0;
  let recent: { at: number; snapshot: Snapshot }[] = [];

  const now = (): Instant => plus(wall, world.now() + offset);
  const isDown = (): boolean => world.now() < down_until;
  const isCutOff = (node: number): boolean => world.now() < (cut_off_until.get(node) ?? 0);

  function trouble(node: number): void {
    troubled.set(node, world.now());
  }

  async function commit<T>(operation: Operation<T>): Promise<T> {
    const before = profile.failover_lost_commits > 0 ? database.snapshot() : null;
    const value = await database.execute(operation, now(), true);
    if (!database.changed) return value;
    if (before !== null) recent = [...recent.slice(1 - UNREPLICATED), { at: world.now(), snapshot: before }];
    version += 1;
    observe("commit");
    return value;
  }

  /** One coalesced message for each node but the one that wrote. */
  function announce(writer: Life): void {
    for (const entry of lives.values()) {
      if (entry.life === writer || entry.announced || entry.life.dead) continue;
      entry.announced = true;
      world.at(entry.life, 5, () => {
        entry.announced = false;
        tell(entry.life.node, "written");
      });
    }
  }

  function tell(node: number, notice: ChangeNotice): void {
    for (const listener of lives.get(node)?.listeners ?? []) listener(notice);
  }

  function latency(): number {
    return world.now() < slow_until ? 2_500 + random.between(0, 2_000) : 0.5 + random.next() * 2;
  }

  function refuse(life: Life, reject: (error: unknown) => void, error: ApiError): void {
    trouble(life.node);
    world.at(life, latency(), () => reject(error));
  }

  const away = (): ApiError => new ApiError("database_unavailable");

  /** Null: it answers. */
  function refused(life: Life, writes: boolean): ApiError | null {
    if (isCutOff(life.node)) return away();
    if (!isDown() || (writes_only && !writes)) return null;
    return new ApiError(refusal);
  }

  type Kind = "read" | "write" | "bookkeeping";

  interface Asked<T> {
    readonly life: Life;
    readonly kind: Kind;
    readonly operation: Operation<T>;
    readonly resolve: (value: T) => void;
    readonly reject: (error: unknown) => void;
  }

  /** Each statement brings the database's time with its answer; the time is that of when it was run. */
  function ask<T>(life: Life, time: DatabaseTime, kind: Kind, operation: Operation<T>): Promise<T> {
    return new Promise<T>((settle, reject) => {
      step(life, BEFORE[kind], () => {
        const told = askTime(time);
        let run_at = now();
        const resolve = (value: T): void => {
          told(run_at);
          settle(value);
        };
        // It is on its way to the database, which does not care what becomes of the process.
        world.at(null, latency(), () => {
          run_at = now();
          void arrive({ life, kind, operation, resolve, reject });
        });
      });
    });
  }

  /** The session of a node that only says that it lives. */
  function live(life: Life, time: DatabaseTime): void {
    world.at(life, BEAT_MS, () => {
      const told = askTime(time);
      if (!isDown() && !isCutOff(life.node)) {
        const run_at = now();
        world.at(life, latency(), () => told(run_at));
      }
      live(life, time);
    });
  }

  async function arrive<T>({ life, kind, operation, resolve, reject }: Asked<T>): Promise<void> {
    const writes = kind !== "read";
    const error = refused(life, writes);
    if (error !== null) return refuse(life, reject, error);
    const undone = writes ? undoneBy(life) : null;
    if (undone !== null) return refuse(life, reject, undone);
    try {
      if (writes && random.chance(profile.serialization_retry)) {
        world.happened("serialization_retry", life.owner);
        await database.execute(operation, now(), false);
      }
      const value = await (writes ? commit(operation) : database.execute(operation, now(), true));
      if (kind === "write" && database.invalidated) announce(life);
      if (writes && random.chance(profile.commit_unknown_done)) {
        world.happened("commit_unknown_done", life.owner);
        world.at(life, 0, () => tell(life.node, "unknown"));
        return refuse(life, reject, away());
      }
      world.at(life, latency(), () => step(life, AFTER[kind], () => resolve(value)));
    } catch (failure) {
      world.at(life, latency(), () => reject(failure));
    }
  }

  function undoneBy(life: Life): ApiError | null {
    if (random.chance(profile.commit_unknown_undone)) {
      world.happened("commit_unknown_undone", life.owner);
      return away();
    }
    if (!random.chance(profile.serialization_given_up)) return null;
    world.happened("serialization_given_up", life.owner);
    return new ApiError("database_busy");
  }

  /** While a node's session is lost it does not know what others write, and says so to itself at each beat. */
  function beat(node: number, until: number): void {
    const entry = lives.get(node);
    if (entry === undefined || entry.life.dead) return;
    world.at(entry.life, 1_000, () => {
      if (world.now() < until) {
        tell(node, "unknown");
        beat(node, until);
        return;
      }
      unlocked.delete(entry.life.owner);
      relocked.set(entry.life.owner, world.now());
      settled_at.set(entry.life.owner, now() + LIMITS.presence_settle_ms);
      tell(node, "reconnected");
    });
  }

  function loseSessions(until: number): void {
    for (const { life } of lives.values()) {
      if (life.dead) continue;
      unlocked.add(life.owner);
      beat(life.node, until);
    }
  }

  return {
    now,
    isDown,
    isCutOff,
    commit,
    get version() {
      return version;
    },
    get failed_over_at() {
      return failed_over_at;
    },
    get jumped_ahead() {
      return jumped_ahead;
    },
    get jumped_ms() {
      return jumped_ms;
    },
    troubledAt: (node) =>
      Math.min(world.now(), Math.max(down_until, slow_until, cut_off_until.get(node) ?? -1, troubled.get(node) ?? -1)),
    lockLostSince: (owner, at) => unlocked.has(owner) || (relocked.get(owner) ?? -1) >= at,
    engineOf(life) {
      const listeners = new Set<(notice: ChangeNotice) => void>();
      lives.set(life.node, { life, listeners, announced: false });
      const time = databaseTime(clockOf(life));
      live(life, time);
      return {
        clock: time.clock,
        read: (operation) => ask(life, time, "read", operation),
        write: (operation) => ask(life, time, "write", operation),
        writeEach: (operation) => ask(life, time, "bookkeeping", operation),
        onChange: (listener) => {
          listeners.add(listener);
          return () => void listeners.delete(listener);
        },
        ownerIsDead: ({ owner, taken_at }, own) =>
          ask(life, time, "read", async () => {
            const noticed = world.now() >= (gone.get(owner) ?? Number.POSITIVE_INFINITY);
            if (unlocked.has(own) || taken_at <= (settled_at.get(own) ?? Number.NEGATIVE_INFINITY)) return false;
            return owner !== own && (noticed || unlocked.has(owner));
          }),
        close: () => Promise.resolve(),
      };
    },
    down(how, for_ms) {
      down_until = world.now() + for_ms;
      refusal = how === "database_full" ? "storage_full" : "database_unavailable";
      writes_only = how === "database_full" || how === "database_read_only";
      world.happened(how, `${for_ms} ms`);
      for (const node of lives.keys()) trouble(node);
      if (!writes_only) loseSessions(down_until);
    },
    slow(for_ms) {
      slow_until = world.now() + for_ms;
      world.happened("database_slow", `${for_ms} ms`);
    },
    cutOff(node, for_ms) {
      cut_off_until.set(node, world.now() + for_ms);
      trouble(node);
      world.happened("node_cut_off", `node ${node}, ${for_ms} ms`);
      beat(node, world.now() + for_ms);
    },
    failOver() {
      const lost = recent.filter(({ at }) => at > world.now() - REPLICATION_LAG_MS);
      const [oldest] = lost;
      if (oldest === undefined) return;
      database.restore(oldest.snapshot);
      recent = [];
      version += 1;
      failed_over_at = world.now();
      world.happened("failover_lost_commits", `${lost.length} writes`);
      observe("fail-over");
      down_until = Math.max(down_until, world.now() + 1_500);
      refusal = "database_unavailable";
      writes_only = false;
      loseSessions(down_until);
    },
    jumpClock(ms) {
      offset += ms;
      jumped_ms += Math.abs(ms);
      jumped_ahead ||= ms > 0;
      world.happened("database_clock_jumps", `${ms} ms`);
    },
    heal() {
      down_until = Math.min(down_until, world.now());
      slow_until = Math.min(slow_until, world.now());
      for (const [node, until] of cut_off_until) cut_off_until.set(node, Math.min(until, world.now()));
      for (const node of lives.keys()) trouble(node);
    },
    died: (life, noticed_in_ms) => void gone.set(life.owner, world.now() + noticed_in_ms),
  };
}
