/** The interface of the connections room, and the collaborators that its parts share. */
import type { Secret } from "../../core/secret.ts";
import type { Account, AppId, ConnectionConfig, ConnectionId, Instant } from "../../core/types.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { Revocations } from "../grants/revocation.ts";
import type { Ground } from "../ground.ts";
import type { Refresher } from "../refresh/refresh.ts";

export interface Connections {
  /**
   * Returns a valid access token.
   *
   * @throws CodedError whose code says why there is none, and who must act
   */
  get(app_id: AppId, integration_type: string, requirements: TokenRequirements): Promise<Served>;
  list(app_id: AppId): Promise<readonly ConnectionSummary[]>;
  /**
   * Checks connections at their providers if the last check is an hour ago, so that a list is up to
   * date. Takes a bounded time. Never rejects.
   */
  verify(app_id: AppId): Promise<void>;
  /**
   * Deletes the tokens and keeps the connection with its scopes. Succeeds if nothing is connected.
   */
  disconnect(app_id: AppId, integration_type: string): Promise<void>;
  /** Disconnects, then deletes the connection and its connector. Succeeds if there is neither. */
  remove(app_id: AppId, integration_type: string): Promise<void>;
}

export interface Served {
  readonly access_token: Secret;
  readonly integration_type: string;
  readonly connection_config: ConnectionConfig | null;
  readonly connection_id: string;
  /** Null if the expiry is unknown. */
  readonly expires_at: Instant | null;
  /** The database is down, and this is its last known state. */
  readonly is_stale: boolean;
}

/** A caller's requirements of a token, besides that it is valid. */
export interface TokenRequirements {
  /** SHA-256 (hex) of an access token that the provider's API rejected. The token must differ. */
  readonly rejected_hash: string | null;
  /** The token must be valid for at least this long. */
  readonly min_valid_ms: number | null;
}

export interface ConnectionSummary {
  readonly integration_type: string;
  readonly status: ConnectionRow["status"];
  readonly reason: string | null;
  /** As declared. The catalog adds its required and default scopes. */
  readonly scopes: readonly string[];
  readonly missing_scopes: readonly string[];
  readonly account: Account;
  readonly connected_at: number;
}

export interface ConnectionsDeps extends Pick<
  Ground,
  "store" | "vault" | "catalog" | "oauth" | "urls" | "clock" | "limits" | "log"
> {
  readonly refresher: Refresher;
  readonly revocations: Pick<Revocations, "prepare">;
  readonly cache: TokenCache;
}

export interface ServeDeps extends ConnectionsDeps {
  /** Connections that are being refreshed in the background for their readers. */
  readonly refreshing: Set<ConnectionId>;
}

export interface VerifyDeps extends ConnectionsDeps {
  /** When a connection whose check is running or had no result can be checked again. */
  readonly recheck_at: Map<ConnectionId, Instant>;
}
