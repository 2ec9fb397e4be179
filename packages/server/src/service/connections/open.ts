/** Reads a connection's row and opens its access token. */
import { CodedError } from "../../core/errors.ts";
import { decide } from "../../core/expiry.ts";
import { ID_PATTERN } from "../../core/ids.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId, ConnectionConfig, Instant } from "../../core/types.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { sealedFromStorage } from "../../vault/seal.ts";
import type { OpenConnection } from "../cache/token-cache.ts";
import { lifeOfRow, sealContext } from "../grants/grant.ts";
import { ended, notConnected, unreadable } from "./refuse.ts";
import type { ConnectionsDeps } from "./types.ts";

export async function openConnection(
  deps: ConnectionsDeps,
  app_id: AppId,
  integration_type: string,
): Promise<OpenConnection> {
  const { cache, store, catalog } = deps;
  // Checked before the query, because not every database accepts every string.
  if (!ID_PATTERN.test(integration_type)) throw new CodedError("invalid_service");
  const epoch = cache.epoch();
  const row = await store.findConnection(app_id, integration_type);
  if (row === null) {
    catalog.require(integration_type);
    throw notConnected(deps, app_id, integration_type);
  }
  return await openRow(deps, row, epoch);
}

/** Opens the access token of a row, and caches it. @throws CodedError if the connection ended */
export async function openRow(
  deps: ConnectionsDeps,
  row: ConnectionRow,
  epoch = deps.cache.epoch(),
): Promise<OpenConnection> {
  if (row.status !== "active" || row.sealed_access === null) throw ended(deps, row);
  if (row.blocked_at !== null) throw new CodedError("connector_blocked", { reason: "connector_blocked" });
  const access_token = await openAccessToken(deps, row, row.sealed_access).catch((error: unknown) =>
    unreadable(deps, row, error),
  );
  const { config } = row;
  // An app builds API URLs from the config. Without it, the app would send the token to another
  // host.
  if (config === null) return await unreadable(deps, row, new CodedError("credential_unreadable"));
  const open = { row, access_token, config: configOrNull(config) };
  deps.cache.put(open, epoch);
  return open;
}

/**
 * Opens the access token of a row. Async, so that it rejects even if the vault throws
 * synchronously.
 */
async function openAccessToken({ vault }: ConnectionsDeps, row: ConnectionRow, bytes: Uint8Array): Promise<Secret> {
  const sealed = sealedFromStorage(bytes);
  const context = sealContext(row, "access");
  return await (vault.openCached(context, sealed) ?? vault.open(context, sealed));
}

export function configOrNull(config: ConnectionConfig): ConnectionConfig | null {
  return Object.keys(config).length === 0 ? null : config;
}

export function isExpired({ row }: OpenConnection, now: Instant): boolean {
  return decide(lifeOfRow(row), now) === "expired";
}
