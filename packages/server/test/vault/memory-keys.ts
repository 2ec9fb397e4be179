/**
 * An in-memory store of data keys that counts calls. Separate from support.ts, which needs the test
 * runner.
 */
import type { DataKeyRow, DataKeyStore } from "../../src/vault/data-keys.ts";

export interface MemoryKeys extends DataKeyStore {
  readonly rows: Map<string, DataKeyRow>;
  readonly current_of: Map<string, string>;
  /** Calls by name. */
  readonly calls: Record<"load" | "current" | "insert" | "reserve", number>;
}

export function memoryKeys(): MemoryKeys {
  const rows = new Map<string, DataKeyRow>();
  const current_of = new Map<string, string>();
  const calls = { load: 0, current: 0, insert: 0, reserve: 0 };
  const currentOf = (scope: string): DataKeyRow | null => rows.get(current_of.get(scope) ?? "") ?? null;
  return {
    rows,
    current_of,
    calls,
    load: async (dek_id) => {
      calls.load += 1;
      return rows.get(dek_id) ?? null;
    },
    current: async (scope) => {
      calls.current += 1;
      return currentOf(scope);
    },
    insert: async (row, replaces) => {
      calls.insert += 1;
      const winner = currentOf(row.scope);
      if (winner !== null && winner.dek_id !== replaces) return winner;
      rows.set(row.dek_id, row);
      current_of.set(row.scope, row.dek_id);
      return row;
    },
    reserve: async (dek_id, count) => {
      calls.reserve += 1;
      const row = rows.get(dek_id);
      if (row === undefined) return Number.POSITIVE_INFINITY;
      rows.set(dek_id, { ...row, encryptions: row.encryptions + count });
      return row.encryptions;
    },
    all: async () => [...rows.values()],
    rewrap: async (dek_id, from_kek_id, wrapped, kek_id) => {
      const row = rows.get(dek_id);
      if (row === undefined || row.kek_id !== from_kek_id) return false;
      rows.set(dek_id, { ...row, wrapped, kek_id });
      return true;
    },
  };
}
