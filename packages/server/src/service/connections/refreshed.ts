/** Waits for a refresh, and serves its token. */
import { within } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { OpenConnection } from "../cache/token-cache.ts";
import { isExpired, openRow } from "./open.ts";
import { unavailable } from "./refuse.ts";
import { served, servedUnsaved } from "./served.ts";
import type { ConnectionsDeps, Served } from "./types.ts";

/**
 * Serves a refreshed token, because the old one no longer works.
 *
 * @throws CodedError if no refresh ends in time
 */
export async function refreshed(deps: ConnectionsDeps, row: ConnectionRow, wait_ms: number): Promise<Served> {
  const { refresher, urls, clock, limits } = deps;
  const result = await within(clock, refresher.refresh(row, "reader"), wait_ms, null);
  if (result === null) throw unavailable(deps, row, "provider_unavailable", limits.reader_retry_ms);
  switch (result.kind) {
    case "current": {
      const open = await openRow(deps, result.row);
      if (isExpired(open, clock.now())) throw unavailable(deps, row, "provider_unavailable", limits.reader_retry_ms);
      return served(open);
    }
    case "unsaved":
      return servedUnsaved(result);
    case "failed":
      throw unavailable(deps, row, result.code, result.retry_after_ms);
    case "deleted":
      throw new CodedError("not_connected", { reconnect_url: urls.reconnect(row.app_id, row.integration_type) });
  }
}

/** Waits a moment for a refreshed token, then serves the old one, which still works. */
export async function refreshedOrOld(deps: ConnectionsDeps, open: OpenConnection, wait_ms: number): Promise<Served> {
  const { refresher, clock, limits, log } = deps;
  const result = await within(clock, refresher.refresh(open.row, "reader"), wait_ms, null).catch((error: unknown) => {
    log.error("refresh_failed", { connection_id: open.row.id, error });
    return null;
  });
  if (result?.kind === "unsaved") return servedUnsaved(result);
  const best = result?.kind === "current" ? await openRow(deps, result.row) : open;
  // The token can expire while the reader waits.
  return isExpired(best, clock.now()) ? await refreshed(deps, best.row, limits.reader_wait_ms) : served(best);
}
