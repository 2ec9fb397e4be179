/** The collaborators that the parts of the refresh engine share, and the results of a refresh. */
import type { Claim } from "../../store/queries/refresh.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { DatabaseGate } from "../cache/database-gate.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { OAuthClients } from "../grants/clients.ts";
import type { Grant } from "../grants/grant.ts";
import type { Revocations } from "../grants/revocation.ts";
import type { Ground } from "../ground.ts";
import type { Spill } from "./spill.ts";

export interface RefreshDeps extends Pick<
  Ground,
  "store" | "vault" | "oauth" | "catalog" | "clock" | "limits" | "log" | "random" | "owner" | "events_wanted"
> {
  readonly clients: OAuthClients;
  readonly revocations: Pick<Revocations, "revokeLate">;
  readonly spill: Spill;
  readonly cache: Pick<TokenCache, "drop">;
  readonly gate: Pick<DatabaseGate, "markReachable">;
}

export type RefreshResult =
  /**
   * `row` has the newest tokens, or the end of the connection. This or another attempt wrote it.
   */
  | { readonly kind: "current"; readonly row: ConnectionRow }
  /** The provider's response is not in the database yet. Meanwhile `grant` is valid. */
  | { readonly kind: "unsaved"; readonly row: ConnectionRow; readonly grant: Grant }
  | { readonly kind: "failed"; readonly code: RefreshFailureCode; readonly retry_after_ms: number }
  /** The connection no longer exists. */
  | { readonly kind: "deleted" };

export type RefreshFailureCode = "provider_unavailable" | "oauth_client_rejected" | "refresh_pending";

export type Claimed = Extract<Claim, { kind: "claimed" }>;

/** `reader`: a reader waits for the token. */
export type RefreshMode = "background" | "reader";

/**
 * Evicts a row that was just written. The write proves that the database is reachable, so readers
 * who lose a cached token can read it.
 */
export function rowChanged({ cache, gate }: Pick<RefreshDeps, "cache" | "gate">, row: ConnectionRow): void {
  gate.markReachable();
  cache.drop(row);
}

const LEAST_RETRY_AFTER_MS = 1_000;

export function failed(code: RefreshFailureCode, retry_after_ms: number): RefreshResult {
  return { kind: "failed", code, retry_after_ms: Math.max(LEAST_RETRY_AFTER_MS, retry_after_ms) };
}
