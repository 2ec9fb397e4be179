/**
 * The tables as Kysely types. Column lists are explicit everywhere (never `select *` into a reply), so that an older and
 * a newer server can share a database while columns come and go.
 *
 * Instants are ms since the epoch. JSON columns hold text. Booleans are 0 or 1. `sealed_*` is ciphertext made by the vault;
 * the store never sees a plaintext token.
 */
import type { Generated, Selectable } from "kysely";
import type { ConnectionStatus, ReasonCode } from "../core/status.ts";
import type { Plan, Role, Scope } from "../core/roles.ts";
import type {
  AppId,
  ConnectionConfig,
  ConnectionId,
  FlowId,
  Instant,
  JsonObject,
  OAuthClientId,
  UserId,
  WorkspaceId,
} from "../core/types.ts";

/** Why the latest refresh attempt failed, as far as it decides when the next one may be made. */
export type FailClass = "not_sent" | "not_consumed" | "throttled" | "misconfigured" | "unknown";

export interface WorkspacesTable {
  id: WorkspaceId;
  name: string;
  created_at: Instant;
  plan: Plan;
  /** Kept for the account library, which wants one: the id. Null in rows that were there before it. */
  slug: string | null;
}

export interface AppsTable {
  id: AppId;
  workspace_id: WorkspaceId;
  name: string;
  created_at: Instant;
  /** 0: service tokens are refused. */
  functions_enabled: number;
  /** When it, or the plan of its workspace, last changed. */
  updated_at: Instant | null;
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
  /** Whose it is. Null: made on the server's machine before there was an account; goes to the first administrator. */
  user_id: UserId | null;
  scope: Scope;
  name: string;
  digest: Uint8Array;
  created_at: Instant;
  expires_at: Instant | null;
  revoked_at: Instant | null;
  last_used_at: Instant | null;
}

/** Tables of the account library; times, passwords and memberships are in its keeping. */
export interface AuthUserTable {
  id: UserId;
  name: string;
  /** In lower case. */
  email: string;
  email_verified: number;
  created_at: Instant;
  updated_at: Instant;
}

export interface AuthSessionTable {
  id: string;
  user_id: UserId;
  /** SHA-256: a copy of the database lets nobody in. */
  token_hash: string;
  ip_address: string | null;
  user_agent: string | null;
  created_at: Instant;
  /** When it was last used, to the minute. */
  updated_at: Instant;
  expires_at: Instant;
}

export interface AuthAccountTable {
  id: string;
  user_id: UserId;
  account_id: string;
  provider_id: string;
  /** `salt:scrypt`, as the library makes it. */
  password: string | null;
  created_at: Instant;
  updated_at: Instant;
}

export interface AuthMemberTable {
  id: string;
  workspace_id: WorkspaceId;
  user_id: UserId;
  role: Role;
  created_at: Instant;
}

export interface InvitationsTable {
  id: string;
  workspace_id: WorkspaceId;
  token_hash: string;
  email: string;
  role: Role;
  invited_by: string;
  created_at: Instant;
  expires_at: Instant;
  used_at: Instant | null;
}

/** One-time links that sign in, found by SHA-256 of the secret. */
export interface SetupLinksTable {
  token_hash: string;
  /** Signs in as this one. Null: asks who one is, and makes the account where there is none. */
  user_id: UserId | null;
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
  /** Since when the workspace does not let its apps use the service. */
  blocked_at: Instant | null;
  /** When the provider's API was last seen to take the access token. */
  checked_at: Instant | null;
}

/** 1: allowed. */
export interface GovernanceTable {
  workspace_id: WorkspaceId;
  integration_type: string;
  builder_connection_enabled: number;
  per_user_connection_enabled: number;
  updated_at: Instant;
}

export interface AppProfilesTable {
  app_id: AppId;
  user_description: string | null;
  public_settings: string | null;
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
  /** Where the app cannot tell, or is gone. */
  workspace_id: WorkspaceId | null;
  /** Of the client, where a request was behind it. */
  address: string | null;
}

/** A login that a command line asked for (RFC 8628). `device_hash` is SHA-256, `user_code_hash` HMAC: codes are short. */
export interface DeviceCodesTable {
  device_hash: string;
  user_code_hash: string;
  client_id: string;
  /** As in a token answer: separated by blanks. */
  scope: string;
  address: string;
  /** What counts as one address. */
  network: string;
  created_at: Instant;
  expires_at: Instant;
  /** Grows by 5 with each poll that came too soon. */
  interval_s: number;
  polled_at: Instant | null;
  state: "pending" | "approved" | "denied" | "used";
  user_id: string | null;
  session_id: string | null;
  used_at: Instant | null;
}

/** A command line that somebody signed in. Gone when it ended. */
export interface CliSessionsTable {
  id: string;
  user_id: string;
  client_id: string;
  scope: string;
  address: string;
  created_at: Instant;
  first_used_at: Instant | null;
  last_used_at: Instant;
}

/** Found by SHA-256 of the token. */
export interface CliTokensTable {
  hash: string;
  session_id: string;
  kind: "access" | "refresh";
  created_at: Instant;
  expires_at: Instant;
  /** When a refresh token was exchanged. It is kept, so that its second use is noticed. */
  rotated_at: Instant | null;
}

export interface RateWindowsTable {
  key: string;
  count: number;
  ends_at: Instant;
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
  auth_user: AuthUserTable;
  auth_session: AuthSessionTable;
  auth_account: AuthAccountTable;
  auth_member: AuthMemberTable;
  invitations: InvitationsTable;
  setup_links: SetupLinksTable;
  oauth_clients: OAuthClientsTable;
  connectors: ConnectorsTable;
  connections: ConnectionsTable;
  governance: GovernanceTable;
  app_profiles: AppProfilesTable;
  flows: FlowsTable;
  data_keys: DataKeysTable;
  audit_events: AuditEventsTable;
  device_codes: DeviceCodesTable;
  cli_sessions: CliSessionsTable;
  cli_tokens: CliTokensTable;
  rate_windows: RateWindowsTable;
  outbox: OutboxTable;
  settings: SettingsTable;
}

/** A row as the store returns it: columns of text or 0 and 1 hold values. rows.ts converts them. */
type Decoded<Table, Columns> = Omit<Table, keyof Columns> & Columns;

export type ConnectionRow = Decoded<
  ConnectionsTable,
  {
    scopes_requested: readonly string[];
    scopes_granted: readonly string[];
    /** Null: the column holds no JSON. Reading such a row succeeds, so that it can still be ended or replaced. */
    config: ConnectionConfig | null;
  }
>;
export type FlowRow = Decoded<FlowsTable, { scopes: readonly string[]; config: ConnectionConfig }>;
export type ConnectorRow = Decoded<ConnectorsTable, { scopes: readonly string[] }>;
/** `payload` is null when the column holds no JSON object. */
export type OutboxRow = Decoded<Selectable<OutboxTable>, { payload: JsonObject | null }>;
export type OAuthClientRow = Decoded<OAuthClientsTable, { shared_callback: boolean }>;
export type GovernanceRow = Decoded<
  GovernanceTable,
  { builder_connection_enabled: boolean; per_user_connection_enabled: boolean }
>;
export type DataKeyRow = Decoded<DataKeysTable, { is_current: boolean }>;
export type UserRow = Decoded<AuthUserTable, { email_verified: boolean }>;
export type DeviceCodeRow = Decoded<DeviceCodesTable, { scope: readonly string[] }>;
export type CliSessionRow = Decoded<CliSessionsTable, { scope: readonly string[] }>;
/** An app with its workspace's plan, which decides what the app can use. */
export type AppRow = Decoded<AppsTable, { functions_enabled: boolean }> & Pick<WorkspacesTable, "plan">;
/** A service token with all that decides on each of its uses, so that a cache holds it as one entry. */
export type ServiceTokenRow = ServiceTokensTable & Pick<AppRow, "plan" | "functions_enabled">;
