/**
 * The tables as Kysely types. Column lists are explicit everywhere (never `select *` into a reply), so that an older and
 * a newer server can share a database while columns come and go.
 *
 * Instants are ms since the epoch. JSON columns hold text. Booleans are 0 or 1. `sealed_*` is ciphertext made by the vault;
 * the store never sees a plaintext token.
 */
import type { Generated, Selectable } from "kysely";
import type { ConnectionStatus, ReasonCode } from "../core/status.ts";
import type { AppId, ConnectionId, FlowId, Instant, OAuthClientId, WorkspaceId } from "../core/types.ts";

/** Why the latest refresh attempt failed, as far as it decides when the next one may be made. */
export type FailClass = "not_sent" | "not_consumed" | "throttled" | "misconfigured" | "unknown";

export interface WorkspacesTable {
  id: WorkspaceId;
  name: string;
  created_at: Instant;
}

export interface AppsTable {
  id: AppId;
  workspace_id: WorkspaceId;
  name: string;
  created_at: Instant;
}

export interface ServiceTokensTable {
  app_id: AppId;
  id: string;
  name: string;
  digest: Uint8Array;
  created_at: Instant;
  expires_at: Instant | null;
  revoked_at: Instant | null;
  last_used_at: Instant | null;
}

export interface ApiKeysTable {
  id: string;
  workspace_id: WorkspaceId;
  name: string;
  digest: Uint8Array;
  created_at: Instant;
  expires_at: Instant | null;
  revoked_at: Instant | null;
  last_used_at: Instant | null;
}

/** The administrator's signed-in browsers and the one-time links that sign in; both are found by SHA-256 of the secret. */
export interface SessionsTable {
  token_hash: string;
  principal: string;
  created_at: Instant;
  last_seen_at: Instant;
}

export interface SetupLinksTable {
  token_hash: string;
  created_at: Instant;
  expires_at: Instant;
  used_at: Instant | null;
}

export interface OAuthClientsTable {
  id: OAuthClientId;
  /** Null: serves the whole installation. */
  workspace_id: WorkspaceId | null;
  integration_type: string;
  client_id: string;
  sealed_secret: Uint8Array;
  /** 1: registered with the plain callback address, not the vendor's own. */
  shared_callback: number;
  created_at: Instant;
  updated_at: Instant;
}

export interface ConnectorsTable {
  app_id: AppId;
  integration_type: string;
  /** Declared scopes, JSON array. */
  scopes: string;
  created_at: Instant;
  updated_at: Instant;
}

export interface ConnectionsTable {
  app_id: AppId;
  id: ConnectionId;
  connector_id: string | null;
  app_user_id: string | null;
  integration_type: string;
  status: ConnectionStatus;
  reason: ReasonCode | null;
  account_id: string | null;
  account_label: string | null;
  account_email: string | null;
  /** JSON arrays. */
  scopes_requested: string;
  scopes_granted: string;
  /** JSON object of strings. */
  config: string;
  sealed_access: Uint8Array | null;
  sealed_refresh: Uint8Array | null;
  /** Grows by one with each new pair of tokens; part of the seals' associated data. */
  generation: number;
  /** HMAC of the refresh token: tells whether two are the same without opening either. */
  rt_fp: string | null;
  issued_at: Instant;
  expires_at: Instant | null;
  last_lifetime_s: number | null;
  sealed_previous_access: Uint8Array | null;
  previous_expires_at: Instant | null;
  refresh_at: Instant | null;
  refresh_token_expires_at: Instant | null;
  /** The nearest warning of that end that was given: 7 or 1 days before. */
  warned_days: number | null;
  /** A sweeper is about to look at this connection; the others leave it alone until then. Binds nobody else. */
  reserved_until: Instant | null;
  lease_owner: string | null;
  lease_until: Instant | null;
  /** Counts the requests that were about to be sent; never reset. */
  attempt: number;
  attempted_at: Instant | null;
  /** Set before a refresh is sent, cleared when its outcome is known. */
  intent_at: Instant | null;
  intent_rt_fp: string | null;
  /** The refresh token that the stored pair was exchanged for, and by which attempt. */
  parent_rt_fp: string | null;
  win_attempt: number | null;
  next_attempt_at: Instant | null;
  fail_class: FailClass | null;
  failures: number;
  failing_since: Instant | null;
  /** When the one confirming refresh of a refused, non-rotating connection is due. */
  confirm_at: Instant | null;
  oauth_client_id: OAuthClientId;
  connected_by: string;
  created_at: Instant;
  updated_at: Instant;
}

export interface FlowsTable {
  app_id: AppId;
  id: FlowId;
  integration_type: string;
  initiator: string;
  scopes: string;
  config: string;
  return_to: string | null;
  created_at: Instant;
  expires_at: Instant;
  /** Set by the POST on the confirm page. */
  oauth_client_id: OAuthClientId | null;
  redirect_uri: string | null;
  vendor: string | null;
  state_hash: string | null;
  browser_hash: string | null;
  sealed_request: Uint8Array | null;
  taken_at: Instant | null;
  finished_at: Instant | null;
  /** Null while pending; `connected`, or an error code. */
  outcome: string | null;
  connection_id: ConnectionId | null;
}

export interface DataKeysTable {
  dek_id: string;
  scope: string;
  kek_id: string;
  wrapped: Uint8Array;
  encryptions: number;
  is_current: number;
  created_at: Instant;
}

export interface AuditEventsTable {
  app_id: string;
  id: string;
  at: Instant;
  actor: string;
  action: string;
  target: string | null;
  request_id: string | null;
}

/** Work that must happen after a commit, at least once: events to deliver, tokens to revoke at the provider. */
export interface OutboxTable {
  app_id: AppId;
  id: string;
  kind: "event" | "revoke";
  connection_id: ConnectionId;
  payload: string;
  sealed: Uint8Array | null;
  /** Set by the database: later items have higher ones. */
  position: Generated<number>;
  attempts: number;
  next_attempt_at: Instant;
  created_at: Instant;
  done_at: Instant | null;
}

export interface SettingsTable {
  name: string;
  value: string;
}

export interface Tables {
  workspaces: WorkspacesTable;
  apps: AppsTable;
  service_tokens: ServiceTokensTable;
  api_keys: ApiKeysTable;
  sessions: SessionsTable;
  setup_links: SetupLinksTable;
  oauth_clients: OAuthClientsTable;
  connectors: ConnectorsTable;
  connections: ConnectionsTable;
  flows: FlowsTable;
  data_keys: DataKeysTable;
  audit_events: AuditEventsTable;
  outbox: OutboxTable;
  settings: SettingsTable;
}

export type ConnectionRow = ConnectionsTable;
export type OutboxRow = Selectable<OutboxTable>;
export type FlowRow = FlowsTable;
