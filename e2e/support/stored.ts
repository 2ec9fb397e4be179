/**
 * Reads an installation's stored data beside the running server, decrypted with its own key.
 * Changes nothing.
 */
import { loadConfig } from "../../packages/server/src/config.ts";
import { systemClock } from "../../packages/server/src/core/clock.ts";
import { openInstallation, type Installation } from "../../packages/server/src/installation.ts";
import { sealContext } from "../../packages/server/src/service/grants/grant.ts";
import type { ConnectionRow } from "../../packages/server/src/store/tables.ts";
import { silentLog } from "../../packages/server/src/telemetry/log.ts";
import { sealedFromStorage } from "../../packages/server/src/vault/seal.ts";

export interface StoredConnection {
  readonly app_id: string;
  readonly integration_type: string;
  readonly status: ConnectionRow["status"];
  readonly reason: string | null;
  readonly access_token: string | null;
  readonly refresh_token: string | null;
  /** Whether a refresh was claimed or sent and its outcome is not known yet. */
  readonly is_open: boolean;
}

export async function openStored(data_dir: string): Promise<readonly StoredConnection[]> {
  const config = loadConfig({ dataDir: data_dir }, {});
  const installation = await openInstallation({ config, clock: systemClock, log: silentLog }, "command");
  try {
    const apps = await installation.apps.list();
    const rows = await Promise.all(apps.map((app) => installation.store.listConnections(app.id)));
    return await Promise.all(rows.flat().map((row) => stored(installation, row)));
  } finally {
    await installation.close();
  }
}

async function stored({ vault }: Installation, row: ConnectionRow): Promise<StoredConnection> {
  const open = async (column: "access" | "refresh", sealed: Uint8Array | null): Promise<string | null> =>
    sealed === null ? null : (await vault.open(sealContext(row, column), sealedFromStorage(sealed))).expose();
  return {
    app_id: row.app_id,
    integration_type: row.integration_type,
    status: row.status,
    reason: row.reason,
    access_token: await open("access", row.sealed_access),
    refresh_token: await open("refresh", row.sealed_refresh),
    is_open: row.status === "active" && (row.intent_at !== null || row.lease_owner !== null),
  };
}
