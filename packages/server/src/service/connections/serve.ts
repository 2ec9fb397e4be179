/** Serves access tokens: the hot path. */
import { CodedError } from "../../core/errors.ts";
import { decide, livesFor } from "../../core/expiry.ts";
import { sha256Hex } from "../../core/secret.ts";
import type { AppId } from "../../core/types.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { OpenConnection } from "../cache/token-cache.ts";
import { lifeOfRow } from "../grants/grant.ts";
import { expireNow } from "./expire.ts";
import { refreshForLonger, replaceRejected } from "./forced.ts";
import { isExpired, openConnection } from "./open.ts";
import { refreshed, refreshedOrOld } from "./refreshed.ts";
import { served, servedUnsaved } from "./served.ts";
import type { ServeDeps, Served, TokenRequirements } from "./types.ts";

/** Returns a valid access token, from memory if possible. @throws CodedError */
export async function serve(
  deps: ServeDeps,
  app_id: AppId,
  integration_type: string,
  requirements: TokenRequirements,
): Promise<Served> {
  const { cache } = deps;
  const known = cache.fresh(app_id, integration_type);
  if (known !== null) return await serveOpen(deps, known, requirements);
  const load = (): Promise<OpenConnection> => openConnection(deps, app_id, integration_type);
  const { value, is_stale } = await cache.read(app_id, integration_type, load);
  return is_stale ? serveStale(deps, value, requirements) : await serveOpen(deps, value, requirements);
}

async function serveOpen(
  deps: ServeDeps,
  open: OpenConnection,
  { rejected_hash, min_valid_ms }: TokenRequirements,
): Promise<Served> {
  const { clock, limits } = deps;
  if (isRejected(open, rejected_hash)) return await replaceRejected(deps, open.row);
  const { row } = open;
  const life = lifeOfRow(row);
  const decision = decide(life, clock.now());
  if (min_valid_ms !== null && decision !== "expired" && !livesFor(life, clock.now(), min_valid_ms)) {
    return await refreshForLonger(deps, row, min_valid_ms);
  }
  switch (decision) {
    case "fresh":
      return served(open);
    case "refresh_soon":
      refreshInBackground(deps, row);
      return served(open);
    case "refresh_now":
      return row.sealed_refresh === null ? served(open) : await refreshedOrOld(deps, open, limits.reader_soft_wait_ms);
    case "expired":
      return row.sealed_refresh === null
        ? await expireNow(deps, row, "no_refresh_token")
        : await refreshed(deps, row, limits.reader_wait_ms);
  }
}

/**
 * Serves a token during a database outage, without waiting. No intent can be stored, so nothing can
 * be refreshed.
 */
function serveStale(
  { refresher, clock }: ServeDeps,
  open: OpenConnection,
  { rejected_hash, min_valid_ms }: TokenRequirements,
): Served {
  const { row } = open;
  const pending = refresher.pendingGrant(row.id);
  if (pending?.kind === "unsaved") return servedUnsaved(pending);
  const is_short = min_valid_ms !== null && !livesFor(lifeOfRow(row), clock.now(), min_valid_ms);
  if (isRejected(open, rejected_hash) || is_short || isExpired(open, clock.now()))
    throw new CodedError("database_unavailable", { retry_after_s: 1 });
  return { ...served(open), is_stale: true };
}

/** Reports whether this is the token that the provider's API rejected. */
function isRejected({ access_token }: OpenConnection, rejected_hash: string | null): boolean {
  return rejected_hash !== null && sha256Hex(access_token.expose()) === rejected_hash;
}

/**
 * Starts a refresh, unless one is running or the next attempt is not due. Every reader of an aging
 * token calls this.
 */
function refreshInBackground({ refreshing, refresher, clock, log }: ServeDeps, row: ConnectionRow): void {
  if (refreshing.has(row.id) || (row.next_attempt_at !== null && row.next_attempt_at > clock.now())) return;
  refreshing.add(row.id);
  void refresher
    .refresh(row, "background")
    .catch((error: unknown) => log.error("background_refresh_failed", { connection_id: row.id, error }))
    .finally(() => refreshing.delete(row.id));
}
