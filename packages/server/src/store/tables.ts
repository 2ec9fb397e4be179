/**
 * The tables as Kysely types, and the rows that the store returns.
 *
 * Queries list their columns (never `select *`), so that an older and a newer server can share a
 * database while columns are added and removed.
 *
 * Instants are milliseconds since the epoch. JSON columns hold text. Booleans are 0 or 1.
 * `sealed_*` is ciphertext of the vault: the store never sees a plaintext token.
 */
import type { Generated, Selectable } from "kysely";
import type { ConnectionStatus, ReasonCode } from "../core/status.ts";
import type { Plan, Scope } from "../core/roles.ts";
import type { AppIssuersTable, AppUsersTable } from "./app-user-tables.ts";
import type {
  AuthAccountTable,
  AuthMemberTable,
  AuthSessionTable,
  AuthUserTable,
  CliSessionsTable,
  CliTokensTable,
  DeviceCodesTable,
  InvitationsTable,
  SetupLinksTable,
} from "./account-tables.ts";
import type {
  AppSecretsTable,
  FunctionBlobsTable,
  FunctionLogsTable,
  FunctionSchedulesTable,
  FunctionsTable,
  FunctionVersionsTable,
} from "./function-tables.ts";
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

/** Why the latest refresh attempt failed. It decides when the next attempt is allowed. */
export type FailClass = "not_sent" | "not_consumed" | "throttled" | "misconfigured" | "unknown";

export interface WorkspacesTable {
  id: WorkspaceId;
  name: string;
  created_at: Instant;
  plan: Plan;
  /** The id. The account library requires a slug. Null in rows that are older than the library. */
  slug: string | null;
}

export interface AppsTable {
  id: AppId;
  workspace_id: WorkspaceId;
  name: string;
  created_at: Instant;
  /** 0: the app's service tokens are refused. */
  functions_enabled: number;
  /** When the app, or the plan of its workspace, last changed. */
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
  /**
   * The creator. Null: created on the server's machine before any account existed. The first admin
   * adopts it.
   */
  user_id: UserId | null;
  scope: Scope;
  name: string;
  digest: Uint8Array;
  created_at: Instant;
  expires_at: Instant | null;
  revoked_at: Instant | null;
  last_used_at: Instant | null;
}

export interface OAuthClientsTable {
  id: OAuthClientId;
  /** Null: the client of the whole installation. */
  workspace_id: WorkspaceId | null;
  integration_type: string;
  client_id: string;
  sealed_secret: Uint8Array;
  /** 1: registered with the shared callback address instead of the vendor's own. */
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
  /** Grows by one with each new pair of tokens. Part of the seals' associated data. */
  generation: number;
  /** HMAC of the refresh token, to compare two without decrypting them. */
  rt_fp: string | null;
  issued_at: Instant;
  expires_at: Instant | null;
  last_lifetime_s: number | null;
  refresh_at: Instant | null;
  refresh_token_expires_at: Instant | null;
  /** The latest warning about `refresh_token_expires_at`: 7 or 1 days before. */
  warned_days: number | null;
  /** A sweeper reserved this connection until then. Only other sweepers respect it. */
  reserved_until: Instant | null;
  lease_owner: string | null;
  lease_until: Instant | null;
  /**
   * The live holder of the previous lease, and when it acquired that lease. The outcome of its
   * request is unknown: it can have the only valid response.
   */
  earlier_owner: string | null;
  earlier_at: Instant | null;
  /** Counts the claims, each before its request is sent. Never reset. */
  attempt: number;
  attempted_at: Instant | null;
  /** Set before a refresh request is sent, cleared when its outcome is known. */
  intent_at: Instant | null;
  intent_rt_fp: string | null;
  /** The refresh token that was exchanged for the stored pair, and the attempt that did it. */
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
  /** Since when the workspace blocks the service for its apps. */
  blocked_at: Instant | null;
  /** When the provider's API last accepted the access token. */
  checked_at: Instant | null;
}

/** The services that a workspace allows its apps. 1: allowed. */
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
  /** Null while pending. Then `connected`, or an error code. */
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
  /** Set where the app does not identify the workspace, or is deleted. */
  workspace_id: WorkspaceId | null;
  /** The client's address, if a request caused the event. */
  address: string | null;
}

export interface RateWindowsTable {
  key: string;
  count: number;
  ends_at: Instant;
}

/** Work after a commit, done at least once: events to deliver, tokens to revoke at the provider. */
export interface OutboxTable {
  app_id: AppId;
  id: string;
  kind: "event" | "revoke";
  connection_id: ConnectionId;
  payload: string;
  sealed: Uint8Array | null;
  /** Set by the database. Later items have higher positions. */
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
  functions: FunctionsTable;
  function_versions: FunctionVersionsTable;
  function_blobs: FunctionBlobsTable;
  app_secrets: AppSecretsTable;
  function_logs: FunctionLogsTable;
  function_schedules: FunctionSchedulesTable;
  app_issuers: AppIssuersTable;
  app_users: AppUsersTable;
}

/** A row as the store returns it: values instead of text, 0 and 1. rows.ts converts them. */
type Decoded<Table, Columns> = Omit<Table, keyof Columns> & Columns;

export type ConnectionRow = Decoded<
  ConnectionsTable,
  {
    scopes_requested: readonly string[];
    scopes_granted: readonly string[];
    /**
     * Null: the column holds no JSON. Such a row can still be disconnected, deleted or replaced.
     */
    config: ConnectionConfig | null;
  }
>;
export type FlowRow = Decoded<FlowsTable, { scopes: readonly string[]; config: ConnectionConfig }>;
export type ConnectorRow = Decoded<ConnectorsTable, { scopes: readonly string[] }>;
/** `payload` is null if the column holds no JSON object. */
export type OutboxRow = Decoded<Selectable<OutboxTable>, { payload: JsonObject | null }>;
export type OAuthClientRow = Decoded<OAuthClientsTable, { shared_callback: boolean }>;
export type GovernanceRow = Decoded<
  GovernanceTable,
  { builder_connection_enabled: boolean; per_user_connection_enabled: boolean }
>;
export type DataKeyRow = Decoded<DataKeysTable, { is_current: boolean }>;
export type UserRow = Decoded<AuthUserTable, { email_verified: boolean }>;
export type DeviceCodeRow = Decoded<DeviceCodesTable, { scope: readonly string[] }>;
/** A function with its live version. `automations` is empty if the column holds no JSON array. */
export type FunctionRow = Decoded<FunctionsTable, { automations: readonly unknown[] }> &
  Omit<FunctionVersionRow, "id" | "app_id" | "function_name" | "automations" | "created_at">;
export type FunctionVersionRow = Decoded<FunctionVersionsTable, { automations: readonly unknown[] }>;
export type AppIssuerRow = Decoded<AppIssuersTable, { audiences: readonly string[] }>;
export type CliSessionRow = Decoded<CliSessionsTable, { scope: readonly string[] }>;
/** An app with its workspace's plan, which decides what the app can use. */
export type AppRow = Decoded<AppsTable, { functions_enabled: boolean }> & Pick<WorkspacesTable, "plan">;
/**
 * A service token with every column that its use depends on, so that a cache holds it as one entry.
 */
export type ServiceTokenRow = ServiceTokensTable & Pick<AppRow, "plan" | "functions_enabled">;
