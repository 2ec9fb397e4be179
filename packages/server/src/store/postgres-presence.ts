/**
 * A node's presence in PostgreSQL: its own connection, which shows that the node is alive and
 * receives notifications of other nodes' writes.
 *
 * The session holds an advisory lock on the owner's id. The lock is released when the process
 * exits, however it exits, and stays held while the process is only paused. That distinguishes a
 * dead owner of a lease from a slow one.
 *
 * Notifications save time, and nothing depends on them. While the connection does not respond,
 * every beat calls the listeners instead, so that no cached row outlives a beat.
 *
 * Knows no tables and no driver. Throws only while opening, with the error of its session.
 */
import type { Limits } from "../core/limits.ts";
import { every, type Clock } from "../core/clock.ts";
import { plus, type Instant } from "../core/types.ts";
import type { ChangeNotice } from "./engine.ts";
import type { QueryOutcome } from "./postgres-driver.ts";

/** A connection outside the pool. */
export interface Session {
  query(text: string, parameters?: readonly unknown[]): Promise<QueryOutcome>;
  /** Resolves when the database answers. */
  beat(): Promise<unknown>;
  end(): Promise<void>;
}

export interface SessionEvents {
  readonly notified: (payload: string) => void;
  readonly lost: () => void;
}

export interface PresenceOptions {
  readonly owner: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly connect: (events: SessionEvents) => Promise<Session>;
  readonly warn: (error: unknown) => void;
}

export interface Presence {
  onChange(listener: (notice: ChangeNotice) => void): () => void;
  /** Marks this node's own caches stale: it is unknown whether its write was committed. */
  markStale(): void;
  /**
   * Reports whether a free lock proves that the owner of a lease from `taken_at` is dead. It does
   * not if all nodes can have lost their locks since.
   */
  isConclusiveSince(taken_at: Instant): boolean;
  close(): Promise<void>;
}

const CHANNEL = "holdfast_changed";

/**
 * Notifies the other nodes once, if the transaction commits. The parameter is the writer's owner
 * id.
 */
export const ANNOUNCE = `select pg_notify('${CHANNEL}', $1)`;

/**
 * Returns a row if any session holds this owner's lock. Acquires nothing, so two nodes can run it
 * at once.
 */
export const FIND_LOCK = `
  select 1 from pg_locks
  where locktype = 'advisory' and objsubid = 1 and granted
    and database = (select oid from pg_database where datname = current_database())
    and (classid::int8 << 32) | objid::int8 = hashtextextended($1, 0)
  limit 1`;

const LOCK = "select 1 where pg_try_advisory_lock_shared(hashtextextended($1, 0))";

interface State extends PresenceOptions {
  readonly listeners: Set<(notice: ChangeNotice) => void>;
  session: Session | null;
  /**
   * A session that stopped responding. It is kept until a new session holds the lock, so that the
   * node never seems dead in between.
   */
  unresponsive: Session | null;
  /** The database answered since the last beat. */
  has_answered: boolean;
  /** The running beat. */
  beating: Promise<void> | null;
  /** Null while the process has lost no session. */
  settled_at: Instant | null;
}

export async function openPresence(options: PresenceOptions): Promise<Presence> {
  const state: State = {
    ...options,
    listeners: new Set(),
    session: null,
    unresponsive: null,
    has_answered: true,
    beating: null,
    settled_at: null,
  };
  state.session = await openSession(state);
  const stop = every(options.clock, options.limits.cache_ttl_without_listener_ms / 3, () => onBeat(state));
  return {
    onChange(listener) {
      state.listeners.add(listener);
      return () => void state.listeners.delete(listener);
    },
    markStale: () => notify(state, "unknown"),
    isConclusiveSince: (taken_at) =>
      state.session !== null && (state.settled_at === null || taken_at > state.settled_at),
    async close() {
      stop();
      await state.beating;
      if (state.unresponsive !== null) endSession(state, state.unresponsive);
      await state.session?.end();
    },
  };
}

function notify({ listeners }: State, notice: ChangeNotice): void {
  for (const listener of listeners) listener(notice);
}

/** Opens a session that holds the node's lock and listens. */
async function openSession(state: State): Promise<Session> {
  let opened: Session | null = null;
  opened = await state.connect({
    // The writer has already dropped exactly the rows that it changed.
    notified: (payload) => payload !== state.owner && notify(state, "written"),
    // A late event of an earlier session says nothing about the current one.
    lost: () => {
      if (state.session !== opened) return;
      state.session = null;
      state.has_answered = false;
    },
  });
  try {
    // Fails while the database has not noticed that an earlier connection ended. That connection
    // still holds the lock for this node.
    const { rows } = await opened.query(LOCK, [state.owner]);
    if (rows.length === 0) throw new Error("The node's lock is held by an earlier connection.");
    await opened.query(`listen ${CHANNEL}`);
    return opened;
  } catch (error) {
    endSession(state, opened);
    throw error;
  }
}

function onBeat(state: State): void {
  if (!state.has_answered) notify(state, "unknown");
  state.has_answered = false;
  state.beating ??= beat(state).finally(() => (state.beating = null));
}

async function beat(state: State): Promise<void> {
  try {
    if (state.session === null) await reconnect(state);
    await state.session?.beat();
    state.has_answered = true;
  } catch (error) {
    state.warn(error);
    if (state.session === null) return;
    if (state.unresponsive !== null) endSession(state, state.unresponsive);
    state.unresponsive = state.session;
    state.session = null;
  }
}

async function reconnect(state: State): Promise<void> {
  state.session = await openSession(state);
  if (state.unresponsive !== null) endSession(state, state.unresponsive);
  state.unresponsive = null;
  state.settled_at = plus(state.clock.now(), state.limits.presence_settle_ms);
  // Writes since the last beat were announced before this session listened.
  notify(state, "reconnected");
}

/**
 * Ends a session without waiting. On a dead connection that can take long, and no new session would
 * open until then.
 */
function endSession({ warn }: State, session: Session): void {
  void session.end().catch(warn);
}
