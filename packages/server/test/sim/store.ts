/**
 * The real store, with less to do: a run asks the same few questions thousands of times, and what the database would answer
 * is known as long as nothing was written. Every question still goes over the network and may fail there.
 */
import type { Transaction } from "../../src/store/operation.ts";
import { findConnection, getConnection, endingConnections } from "../../src/store/queries/connections.ts";
import { leasesOfOthers, reserveDue } from "../../src/store/queries/refresh.ts";
import type { Engine } from "../../src/store/engine.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";

export interface Known {
  /** What `load` brought at this version of the database. */
  remember<T>(key: string, load: () => Promise<T>): Promise<T>;
  rows(): readonly ConnectionRow[];
}

export function createKnown(version: () => number, rows: () => readonly ConnectionRow[]): Known {
  let seen = -1;
  let answers = new Map<string, unknown>();
  let known: readonly ConnectionRow[] | null = null;
  const current = (): void => {
    if (seen === version()) return;
    seen = version();
    answers = new Map();
    known = null;
  };
  return {
    async remember<T>(key: string, load: () => Promise<T>): Promise<T> {
      current();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each key has one kind of answer.
      if (answers.has(key)) return answers.get(key) as T;
      const value = await load();
      answers.set(key, value);
      return value;
    },
    rows() {
      current();
      known ??= rows();
      return known;
    },
  };
}

/** Longer than what is waited after the first failures. */
const ODD_MS = 60_000;

export function createSimulatedStore(engine: Engine, known: Known): Store {
  const store = createStore(engine);
  const isOver = (at: number | null, now: number): boolean => at === null || at <= now;
  /** Whatever else the query asks for, it can find nothing without these; times too far ahead are those of another clock. */
  const mayBeDue = ({ now }: Transaction): boolean =>
    known
      .rows()
      .some(
        ({ intent_at, confirm_at, refresh_at, next_attempt_at, attempted_at, lease_until }) =>
          (confirm_at !== null && confirm_at <= now) ||
          ((intent_at !== null || (refresh_at !== null && refresh_at <= now)) &&
            ((attempted_at ?? 0) > now ||
              (isOver(lease_until, now) && (isOver(next_attempt_at, now) || (next_attempt_at ?? 0) > now + ODD_MS)))),
      );
  return {
    ...store,
    getConnection: (id) => engine.read((tx) => known.remember(id, () => getConnection(tx, id))),
    findConnection: (app_id, type) =>
      engine.read((tx) => known.remember(`${app_id}/${type}`, () => findConnection(tx, app_id, type))),
    reserveDue: (count, except, reserve_ms) =>
      engine.writeEach((tx) => (mayBeDue(tx) ? reserveDue(tx, count, except, reserve_ms) : nothing())),
    leasesOfOthers: (...rest) =>
      engine.read((tx) =>
        known.rows().some(({ lease_until }) => lease_until !== null) ? leasesOfOthers(tx, ...rest) : nothing(),
      ),
    endingConnections: (count) =>
      engine.read((tx) =>
        known.rows().some(({ refresh_token_expires_at }) => refresh_token_expires_at !== null)
          ? endingConnections(tx, count)
          : nothing(),
      ),
  };
}

async function nothing(): Promise<never[]> {
  return [];
}
