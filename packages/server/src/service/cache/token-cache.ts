/**
 * Opened access tokens in memory, so that the hot path needs no database. An entry is dropped when
 * its row changes in this process, and read again when another process wrote to the database.
 */
import type { Secret } from "../../core/secret.ts";
import type { AppId, ConnectionConfig } from "../../core/types.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { Ground } from "../ground.ts";
import type { DatabaseGate } from "./database-gate.ts";
import { createReadCache, type Epoch, type Read } from "./read-cache.ts";

/** An active connection, opened. */
export interface OpenConnection {
  readonly row: ConnectionRow;
  readonly access_token: Secret;
  readonly config: ConnectionConfig | null;
}

/** A ReadCache of connections, by app and service. `load` itself puts the connection it opened. */
export interface TokenCache {
  fresh(app_id: AppId, integration_type: string): OpenConnection | null;
  read(app_id: AppId, integration_type: string, load: () => Promise<OpenConnection>): Promise<Read<OpenConnection>>;
  epoch(): Epoch;
  put(open: OpenConnection, epoch: Epoch): void;
  drop(row: Pick<ConnectionRow, "app_id" | "integration_type">): void;
  clear(): void;
  markStale(): void;
}

type TokenCacheDeps = Pick<Ground, "clock" | "limits"> & { readonly gate: DatabaseGate };

export function createTokenCache({ clock, limits, gate }: TokenCacheDeps): TokenCache {
  const { token_cache_entries: entries, token_cache_ttl_ms: ttl_ms } = limits;
  const cache = createReadCache<OpenConnection>({ entries, ttl_ms, limits, clock, gate });
  const { epoch, clear, markStale } = cache;
  return {
    fresh: (app_id, integration_type) => cache.fresh(keyOf(app_id, integration_type)),
    read: (app_id, integration_type, load) => cache.read(keyOf(app_id, integration_type), load),
    put: (open, since) => cache.put(keyOf(open.row.app_id, open.row.integration_type), open, since),
    drop: ({ app_id, integration_type }) => cache.drop(keyOf(app_id, integration_type)),
    epoch,
    clear,
    markStale,
  };
}

const keyOf = (app_id: AppId, integration_type: string): string => `${app_id}/${integration_type}`;
