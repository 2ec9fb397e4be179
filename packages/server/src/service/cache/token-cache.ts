/**
 * Opened access tokens in memory, so that the hot path needs no database. An entry is forgotten when its row changes here, and
 * read again when another process wrote to the database.
 */
import type { Secret } from "../../core/secret.ts";
import type { AppId, ConnectionConfig } from "../../core/types.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { DatabaseGate } from "./database-gate.ts";
import { createReadCache, type Epoch, type Read } from "./read-cache.ts";
import type { Ground } from "../ground.ts";

/** An active connection, opened. */
export interface OpenConnection {
  readonly row: ConnectionRow;
  readonly access_token: Secret;
  readonly config: ConnectionConfig | null;
}

export interface TokenCache {
  fresh(app_id: AppId, integration_type: string): OpenConnection | null;
  /** `load` puts what it finds; during an outage what was found last is returned. */
  read(app_id: AppId, integration_type: string, load: () => Promise<OpenConnection>): Promise<Read<OpenConnection>>;
  /** To be taken before a row is read. */
  epoch(): Epoch;
  put(open: OpenConnection, epoch: Epoch): void;
  drop(row: Pick<ConnectionRow, "app_id" | "integration_type">): void;
  clear(): void;
  doubt(): void;
}

export function createTokenCache({
  clock,
  limits,
  gate,
}: Pick<Ground, "clock" | "limits"> & { gate: DatabaseGate }): TokenCache {
  const { token_cache_entries: entries, token_cache_ttl_ms: ttl_ms } = limits;
  const cache = createReadCache<OpenConnection>({ entries, ttl_ms, limits, clock, gate });
  const keyOf = (app_id: AppId, integration_type: string): string => `${app_id}/${integration_type}`;
  return {
    fresh: (app_id, integration_type) => cache.fresh(keyOf(app_id, integration_type)),
    read: (app_id, integration_type, load) => cache.read(keyOf(app_id, integration_type), load),
    epoch: cache.epoch,
    put: (open, epoch) => cache.put(keyOf(open.row.app_id, open.row.integration_type), open, epoch),
    drop: ({ app_id, integration_type }) => cache.forget(keyOf(app_id, integration_type)),
    clear: cache.clear,
    doubt: cache.doubt,
  };
}
