/** The errors of a token read. Each says why there is no token, and who must act. */
import { CodedError, ERRORS } from "../../core/errors.ts";
import { REASON_TEXT } from "../../core/status.ts";
import type { AppId } from "../../core/types.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { RefreshFailureCode } from "../refresh/types.ts";
import type { ConnectionsDeps } from "./types.ts";

export function notConnected({ urls }: ConnectionsDeps, app_id: AppId, integration_type: string): CodedError {
  const reconnect_url = urls.reconnect(app_id, integration_type);
  return new CodedError("not_connected", { reason: "not_connected", reconnect_url });
}

/** Returns the error for a connection that is disconnected or needs a new consent. */
export function ended(
  { urls }: ConnectionsDeps,
  row: Pick<ConnectionRow, "app_id" | "integration_type" | "status" | "reason">,
): CodedError {
  const code = row.status === "disconnected" ? "connection_disconnected" : "connection_expired";
  const reason = row.reason ?? "revoked";
  const reconnect_url = urls.reconnect(row.app_id, row.integration_type);
  const message = `${REASON_TEXT[reason]} Open ${reconnect_url} and connect the account again.`;
  return new CodedError(code, { reason, message, reconnect_url });
}

/** Returns the error for a refresh that brought no token yet, and logs it. */
export function unavailable(
  { log }: ConnectionsDeps,
  row: ConnectionRow,
  code: RefreshFailureCode,
  retry_after_ms: number,
): CodedError {
  log.warn("token_unavailable", { connection_id: row.id, integration_type: row.integration_type, code });
  return new CodedError(code, { reason: code, retry_after_s: Math.max(1, Math.ceil(retry_after_ms / 1000)) });
}

/**
 * Returns the error for a token that cannot live as long as required. `most_ms`: null if unknown.
 */
export function tooShort(row: ConnectionRow, most_ms: number | null): CodedError {
  return new CodedError("min_valid_unavailable", {
    message: `${ERRORS.min_valid_unavailable.message}${longestText(row, most_ms)}`,
  });
}

function longestText(row: ConnectionRow, most_ms: number | null): string {
  if (row.sealed_refresh === null) return " This connection has no refresh token.";
  return most_ms === null ? "" : ` The maximum is ${Math.floor(most_ms / 1000)}.`;
}

/** Throws if a refresh brought the current token less than a minute ago. */
export function refuseTooSoon({ clock, limits }: ConnectionsDeps, row: ConnectionRow): void {
  const age_ms = clock.now() - row.issued_at;
  if (row.win_attempt === null || age_ms >= limits.forced_refresh_interval_ms) return;
  const wait_ms = limits.forced_refresh_interval_ms - age_ms;
  throw new CodedError("refresh_too_soon", { retry_after_s: Math.ceil(wait_ms / 1000) });
}

/**
 * Throws the error for a token that could not be opened. The token is not damaged if the database
 * is down, or if the app was deleted with its key since the row was read.
 */
export async function unreadable(deps: ConnectionsDeps, row: ConnectionRow, cause: unknown): Promise<never> {
  const { store, urls, log } = deps;
  const { id: connection_id, app_id, integration_type } = row;
  if (cause instanceof CodedError && cause.code !== "credential_unreadable") throw cause;
  if ((await store.findConnection(app_id, integration_type)) === null)
    throw notConnected(deps, app_id, integration_type);
  log.error("credential_unreadable", { connection_id, app_id, integration_type, error: cause });
  throw new CodedError("credential_unreadable", {
    reason: "credential_unreadable",
    reconnect_url: urls.reconnect(app_id, integration_type),
    cause,
  });
}
