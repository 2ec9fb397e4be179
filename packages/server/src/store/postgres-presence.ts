/**
 * A node's presence in PostgreSQL: one connection of its own that says that the node lives, and hears what the others write.
 *
 * The session's advisory lock on the owner's id is free as soon as the process is gone, however it ended, and stays held
 * while the process is merely stopped: that tells a dead owner of a lease from a slow one. Notifications are a hint that
 * saves time and are not relied upon: while the connection does not answer, listeners are called at every beat instead, so
 * that what they cache lives no longer than that.
 *
 * Knows no tables and no driver. Errors: what its sessions reject with, and only while opening.
 */
import type { Limits } from "../config.ts";
import { every, type Clock } from "../core/clock.ts";
import { plus, type Instant } from "../core/types.ts";
import type { News } from "./engine.ts";
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
  onChange(listener: (news: News) => void): () => void;
  /** This node may have written something without knowing it: its own caches are as doubtful as the others'. */
  doubt(): void;
  /** Whether a lock that nobody holds now tells that the owner of a lease from then is gone: not if all may have lost theirs. */
  knowsSince(taken_at: Instant): boolean;
  close(): Promise<void>;
}

const CHANNEL = "holdfast_changed";

/** Tells the other nodes, once and only if the transaction commits. The parameter names who wrote. */
export const ANNOUNCE = `select pg_notify('${CHANNEL}', $1)`;

/** A row when any session holds this owner's lock. Takes nothing, so that two nodes may ask at once. */
export const FIND_LOCK = `
  select 1 from pg_locks
  where locktype = 'advisory' and objsubid = 1 and granted
    and database = (select oid from pg_database where datname = current_database())
    and (classid::int8 << 32) | objid::int8 = hashtextextended($1, 0)
  limit 1`;

export async function openPresence(options: PresenceOptions): Promise<Presence> {
  const { owner, clock, limits, warn } = options;
  const listeners = new Set<(news: News) => void>();
  let session: Session | null = null;
  /** Fell silent. Kept until another one holds the lock, so that the node is never taken for dead in between. */
  let silent: Session | null = null;
  let answered = true;
  let asking: Promise<void> | null = null;
  /** Null: the process has lost no session yet. */
  let settled_at: Instant | null = null;
  session = await enter();

  function tell(news: News): void {
    for (const listener of listeners) listener(news);
  }

  async function enter(): Promise<Session> {
    let entered: Session | null = null;
    entered = await options.connect({
      // Who wrote has forgotten exactly what it changed already.
      notified: (payload) => payload !== owner && tell("written"),
      // Late news of an earlier session says nothing about this one.
      lost: () => {
        if (session !== entered) return;
        session = null;
        answered = false;
      },
    });
    try {
      // Refused while the server has not noticed that an earlier connection is gone; then that one still speaks for us.
      const { rows } = await entered.query("select 1 where pg_try_advisory_lock_shared(hashtextextended($1, 0))", [
        owner,
      ]);
      if (rows.length === 0) throw new Error("The node's lock is held by an earlier connection.");
      await entered.query(`listen ${CHANNEL}`);
      return entered;
    } catch (error) {
      leave(entered);
      throw error;
    }
  }

  async function ask(): Promise<void> {
    try {
      if (session === null) {
        session = await enter();
        if (silent !== null) leave(silent);
        silent = null;
        settled_at = plus(clock.now(), limits.presence_settle_ms);
        // What was written since the last beat came before anyone listened.
        tell("reconnected");
      }
      await session.beat();
      answered = true;
    } catch (error) {
      warn(error);
      if (session === null) return;
      if (silent !== null) leave(silent);
      silent = session;
      session = null;
    }
  }

  /** Not awaited: behind a dead line the goodbye may take long, and until then nobody would connect anew. */
  function leave(left: Session): void {
    void left.end().catch(warn);
  }

  const stop = every(clock, limits.cache_ttl_without_listener_ms / 3, () => {
    if (!answered) tell("unknown");
    answered = false;
    asking ??= ask().finally(() => (asking = null));
  });

  return {
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    doubt: () => tell("unknown"),
    knowsSince: (taken_at) => session !== null && (settled_at === null || taken_at > settled_at),
    async close() {
      stop();
      await asking;
      if (silent !== null) leave(silent);
      await session?.end();
    },
  };
}
