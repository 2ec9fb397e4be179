/**
 * The Engine of one process: its operations travel to the database server and back, and can fail.
 */
import { CodedError } from "../../src/core/errors.ts";
import type { Instant } from "../../src/core/types.ts";
import type { Engine, Lease } from "../../src/store/engine.ts";
import type { Operation } from "../../src/store/operation.ts";
import { databaseTime, type DatabaseTime } from "../../src/store/postgres-driver.ts";
import {
  announce,
  commit,
  databaseNow,
  isCutOff,
  isDown,
  notify,
  recordFailure,
  unavailable,
  type ClusterState,
} from "./cluster-state.ts";
import type { Life } from "./world.ts";

const CLOCK_BEAT_MS = 1_000;

const BEFORE = { read: "before a read", write: "before a write", bookkeeping: "before bookkeeping" } as const;
const AFTER = { read: "after a read", write: "after a write", bookkeeping: "after bookkeeping" } as const;
type Kind = keyof typeof BEFORE;

/** A process with its session and its view of the database's time. */
interface Client {
  readonly life: Life;
  readonly time: DatabaseTime;
}

/** An operation on its way. */
interface Query<T> {
  readonly life: Life;
  readonly kind: Kind;
  readonly operation: Operation<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

export function engineOf(state: ClusterState, life: Life): Engine {
  const listeners = new Set<Parameters<Engine["onChange"]>[0]>();
  state.sessions.set(life.node, { life, listeners, is_announced: false });
  const client: Client = { life, time: databaseTime(state.clockOf(life)) };
  keepTime(state, client);
  return {
    clock: client.time.clock,
    read: (operation) => send(state, client, "read", operation),
    write: (operation) => send(state, client, "write", operation),
    writeEach: (operation) => send(state, client, "bookkeeping", operation),
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    ownerIsDead: (lease, own) => send(state, client, "read", async () => isDead(state, lease, own)),
    close: () => Promise.resolve(),
  };
}

function isDead({ world, death_noticed_at, unlocked, settled_at }: ClusterState, lease: Lease, own: string): boolean {
  const { owner, taken_at } = lease;
  const is_noticed = world.now() >= (death_noticed_at.get(owner) ?? Number.POSITIVE_INFINITY);
  if (unlocked.has(own) || taken_at <= (settled_at.get(own) ?? Number.NEGATIVE_INFINITY)) return false;
  return owner !== own && (is_noticed || unlocked.has(owner));
}

/**
 * Sends an operation. The response of each statement includes the database's time, as it was when
 * the statement ran.
 */
function send<T>(state: ClusterState, { life, time }: Client, kind: Kind, operation: Operation<T>): Promise<T> {
  const { world, step } = state;
  return new Promise<T>((settle, reject) => {
    step(life, BEFORE[kind], () => {
      const setTime = readTime(time);
      let run_at = databaseNow(state);
      const resolve = (value: T): void => {
        setTime(run_at);
        settle(value);
      };
      // The operation reaches the database even if the process dies meanwhile.
      world.at(null, latency(state), () => {
        run_at = databaseNow(state);
        void arrive(state, { life, kind, operation, resolve, reject });
      });
    });
  });
}

/** Begins to read the time. The returned function takes the response, which may never come. */
function readTime(time: DatabaseTime): (now: Instant) => void {
  let respond: (result: { rows: { now: number }[] }) => void = () => {};
  const query = (): Promise<unknown> => new Promise((resolve) => (respond = resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the only member of a client that is used.
  void time.sync({ query } as unknown as Parameters<DatabaseTime["sync"]>[0]);
  return (now) => respond({ rows: [{ now }] });
}

/** The dedicated session of a node reads the time once a second. */
function keepTime(state: ClusterState, client: Client): void {
  const { world } = state;
  const { life, time } = client;
  world.at(life, CLOCK_BEAT_MS, () => {
    const setTime = readTime(time);
    if (!isDown(state) && !isCutOff(state, life.node)) {
      const run_at = databaseNow(state);
      world.at(life, latency(state), () => setTime(run_at));
    }
    keepTime(state, client);
  });
}

async function arrive<T>(state: ClusterState, query: Query<T>): Promise<void> {
  const { world, profile, database, step } = state;
  const { life, kind, operation, resolve, reject } = query;
  const is_write = kind !== "read";
  const error = outageError(state, life, is_write) ?? (is_write ? abortedWrite(state, life) : null);
  if (error !== null) return fail(state, query, error);
  try {
    if (is_write && world.random.chance(profile.serialization_retry)) {
      world.happened("serialization_retry", life.owner);
      await database.execute(operation, databaseNow(state), false);
    }
    const value = await (is_write ? commit(state, operation) : database.execute(operation, databaseNow(state), true));
    if (kind === "write" && database.invalidated) announce(state, life);
    if (is_write && world.random.chance(profile.commit_unknown_done)) {
      world.happened("commit_unknown_done", life.owner);
      world.at(life, 0, () => notify(state.sessions, life.node, "unknown"));
      return fail(state, query, unavailable());
    }
    world.at(life, latency(state), () => step(life, AFTER[kind], () => resolve(value)));
  } catch (failure) {
    world.at(life, latency(state), () => reject(failure));
  }
}

/** Returns the error of an outage, or null if the database responds to this node. */
function outageError(state: ClusterState, life: Life, is_write: boolean): CodedError | null {
  if (isCutOff(state, life.node)) return unavailable();
  if (!isDown(state) || (state.writes_only && !is_write)) return null;
  return new CodedError(state.error_code);
}

/** Returns the error of a write that was not carried out, or null. */
function abortedWrite({ world, profile }: ClusterState, life: Life): CodedError | null {
  if (world.random.chance(profile.commit_unknown_undone)) {
    world.happened("commit_unknown_undone", life.owner);
    return unavailable();
  }
  if (!world.random.chance(profile.serialization_given_up)) return null;
  world.happened("serialization_given_up", life.owner);
  return new CodedError("database_busy");
}

function fail<T>(state: ClusterState, { life, reject }: Query<T>, error: CodedError): void {
  recordFailure(state, life.node);
  state.world.at(life, latency(state), () => reject(error));
}

function latency({ world, slow_until }: ClusterState): number {
  const { random } = world;
  return world.now() < slow_until ? 2_500 + random.between(0, 2_000) : 0.5 + random.next() * 2;
}
