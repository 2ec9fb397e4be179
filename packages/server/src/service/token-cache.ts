/**
 * Opened access tokens in memory, so that the hot path needs no database. Bounded in count and time; an entry is dropped when
 * its row changes here, and all are dropped when another process wrote to the database.
 */
import { LRUCache } from "lru-cache";
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import type { Secret } from "../core/secret.ts";
import type { AppId, ConnectionConfig, Instant } from "../core/types.ts";
import type { ConnectionRow } from "../store/tables.ts";

/** An active connection, opened. */
export interface OpenConnection {
  readonly row: ConnectionRow;
  readonly access_token: Secret;
  readonly config: ConnectionConfig | null;
}

export interface TokenCache {
  get(app_id: AppId, integration_type: string): OpenConnection | null;
  /** Grows with each drop. What was read from the database before a drop must not be put after it. */
  epoch(): number;
  /** Ignored when anything was dropped since `epoch`, which was taken before the row was read. */
  put(open: OpenConnection, epoch: number): void;
  drop(row: Pick<ConnectionRow, "app_id" | "integration_type">): void;
  clear(): void;
}

export function createTokenCache(clock: Clock, limits: Limits): TokenCache {
  const entries = new LRUCache<string, OpenConnection & { readonly until: Instant | number }>({
    max: limits.token_cache_entries,
  });
  let drops = 0;
  const keyOf = (app_id: AppId, integration_type: string): string => `${app_id}/${integration_type}`;
  return {
    get(app_id, integration_type) {
      const entry = entries.get(keyOf(app_id, integration_type));
      return entry !== undefined && clock.monotonic_ms() < entry.until ? entry : null;
    },
    epoch: () => drops,
    put(open, epoch) {
      if (epoch !== drops) return;
      entries.set(keyOf(open.row.app_id, open.row.integration_type), {
        ...open,
        until: clock.monotonic_ms() + limits.token_cache_ttl_ms,
      });
    },
    drop({ app_id, integration_type }) {
      drops += 1;
      entries.delete(keyOf(app_id, integration_type));
    },
    clear() {
      drops += 1;
      entries.clear();
    },
  };
}
