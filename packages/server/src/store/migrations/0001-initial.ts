/**
 * The first schema. Every table that grows has app_id first, so that it can be partitioned by app.
 */
import { sql, type CreateTableBuilder, type Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "./types.ts";

type Columns = Readonly<Record<string, "text" | "text?" | "int8" | "int8?" | "bytes" | "bytes?">>;

const TABLES: Readonly<Record<string, { primary: readonly string[]; columns: Columns }>> = {
  workspaces: { primary: ["id"], columns: { id: "text", name: "text", created_at: "int8" } },
  apps: { primary: ["id"], columns: { id: "text", workspace_id: "text", name: "text", created_at: "int8" } },
  service_tokens: {
    primary: ["id"],
    columns: {
      app_id: "text",
      id: "text",
      name: "text",
      digest: "bytes",
      created_at: "int8",
      expires_at: "int8?",
      revoked_at: "int8?",
      last_used_at: "int8?",
    },
  },
  api_keys: {
    primary: ["id"],
    columns: {
      id: "text",
      workspace_id: "text",
      name: "text",
      digest: "bytes",
      created_at: "int8",
      expires_at: "int8?",
      revoked_at: "int8?",
      last_used_at: "int8?",
    },
  },
  sessions: {
    primary: ["token_hash"],
    columns: { token_hash: "text", principal: "text", created_at: "int8", last_seen_at: "int8" },
  },
  setup_links: {
    primary: ["token_hash"],
    columns: { token_hash: "text", created_at: "int8", expires_at: "int8", used_at: "int8?" },
  },
  oauth_clients: {
    primary: ["id"],
    columns: {
      id: "text",
      workspace_id: "text?",
      integration_type: "text",
      client_id: "text",
      sealed_secret: "bytes",
      shared_callback: "int8",
      created_at: "int8",
      updated_at: "int8",
    },
  },
  connectors: {
    primary: ["app_id", "integration_type"],
    columns: { app_id: "text", integration_type: "text", scopes: "text", created_at: "int8", updated_at: "int8" },
  },
  connections: {
    primary: ["id"],
    columns: {
      app_id: "text",
      id: "text",
      connector_id: "text?",
      app_user_id: "text?",
      integration_type: "text",
      status: "text",
      reason: "text?",
      account_id: "text?",
      account_label: "text?",
      account_email: "text?",
      scopes_requested: "text",
      scopes_granted: "text",
      config: "text",
      sealed_access: "bytes?",
      sealed_refresh: "bytes?",
      generation: "int8",
      rt_fp: "text?",
      issued_at: "int8",
      expires_at: "int8?",
      last_lifetime_s: "int8?",
      sealed_previous_access: "bytes?",
      previous_expires_at: "int8?",
      refresh_at: "int8?",
      refresh_token_expires_at: "int8?",
      warned_days: "int8?",
      lease_owner: "text?",
      lease_until: "int8?",
      attempt: "int8",
      attempted_at: "int8?",
      intent_at: "int8?",
      intent_rt_fp: "text?",
      parent_rt_fp: "text?",
      win_attempt: "int8?",
      next_attempt_at: "int8?",
      fail_class: "text?",
      failures: "int8",
      failing_since: "int8?",
      confirm_at: "int8?",
      oauth_client_id: "text",
      connected_by: "text",
      created_at: "int8",
      updated_at: "int8",
    },
  },
  flows: {
    primary: ["id"],
    columns: {
      app_id: "text",
      id: "text",
      integration_type: "text",
      initiator: "text",
      scopes: "text",
      config: "text",
      return_to: "text?",
      created_at: "int8",
      expires_at: "int8",
      oauth_client_id: "text?",
      redirect_uri: "text?",
      vendor: "text?",
      state_hash: "text?",
      browser_hash: "text?",
      sealed_request: "bytes?",
      taken_at: "int8?",
      finished_at: "int8?",
      outcome: "text?",
      connection_id: "text?",
    },
  },
  data_keys: {
    primary: ["dek_id"],
    columns: {
      dek_id: "text",
      scope: "text",
      kek_id: "text",
      wrapped: "bytes",
      encryptions: "int8",
      is_current: "int8",
      created_at: "int8",
    },
  },
  audit_events: {
    primary: ["id"],
    columns: {
      app_id: "text",
      id: "text",
      at: "int8",
      actor: "text",
      action: "text",
      target: "text?",
      request_id: "text?",
    },
  },
  outbox: {
    primary: ["id"],
    columns: {
      app_id: "text",
      id: "text",
      kind: "text",
      connection_id: "text",
      payload: "text",
      sealed: "bytes?",
      attempts: "int8",
      next_attempt_at: "int8",
      created_at: "int8",
      done_at: "int8?",
    },
  },
  settings: { primary: ["name"], columns: { name: "text", value: "text" } },
};

/** `where` is the condition of a partial index. */
const INDEXES: readonly { name: string; table: string; columns: readonly string[]; unique?: true; where?: string }[] = [
  {
    name: "connections_platform",
    table: "connections",
    columns: ["app_id", "integration_type"],
    unique: true,
    where: "connector_id is null",
  },
  {
    name: "connections_shared",
    table: "connections",
    columns: ["app_id", "connector_id"],
    unique: true,
    where: "connector_id is not null and app_user_id is null",
  },
  {
    name: "connections_app_user",
    table: "connections",
    columns: ["app_id", "connector_id", "app_user_id"],
    unique: true,
    where: "connector_id is not null and app_user_id is not null",
  },
  {
    name: "connections_refresh_at",
    table: "connections",
    columns: ["refresh_at"],
    where: "refresh_at is not null and status = 'active'",
  },
  {
    name: "connections_refresh_token_end",
    table: "connections",
    columns: ["refresh_token_expires_at"],
    where: "refresh_token_expires_at is not null and status = 'active'",
  },
  { name: "connections_intent_at", table: "connections", columns: ["intent_at"], where: "intent_at is not null" },
  { name: "connections_confirm_at", table: "connections", columns: ["confirm_at"], where: "confirm_at is not null" },
  { name: "connections_oauth_client", table: "connections", columns: ["oauth_client_id"] },
  {
    name: "oauth_clients_installation",
    table: "oauth_clients",
    columns: ["integration_type"],
    unique: true,
    where: "workspace_id is null",
  },
  {
    name: "oauth_clients_workspace",
    table: "oauth_clients",
    columns: ["workspace_id", "integration_type"],
    unique: true,
    where: "workspace_id is not null",
  },
  { name: "apps_workspace", table: "apps", columns: ["workspace_id"] },
  { name: "service_tokens_app", table: "service_tokens", columns: ["app_id"] },
  { name: "flows_state", table: "flows", columns: ["state_hash"], unique: true, where: "state_hash is not null" },
  { name: "flows_initiator", table: "flows", columns: ["initiator", "app_id"] },
  { name: "flows_expires_at", table: "flows", columns: ["expires_at"] },
  { name: "data_keys_current", table: "data_keys", columns: ["scope"], unique: true, where: "is_current = 1" },
  { name: "audit_events_app", table: "audit_events", columns: ["app_id", "at"] },
  { name: "outbox_due", table: "outbox", columns: ["next_attempt_at"], where: "done_at is null" },
];

export function initial(types: ColumnTypes): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const [name, { primary, columns }] of Object.entries(TABLES)) {
        let table: CreateTableBuilder<string, string> = db.schema.createTable(name);
        for (const [column, declared] of Object.entries(columns)) {
          const nullable = declared.endsWith("?");
          const kind = declared.replace("?", "");
          const type = kind === "int8" ? types.int8 : kind === "bytes" ? types.bytes : "text";
          table = table.addColumn(column, sql.raw(type), (builder) => (nullable ? builder : builder.notNull()));
        }
        await table.addPrimaryKeyConstraint(`${name}_pk`, [...primary]).execute();
      }
      for (const { name, table, columns, unique, where } of INDEXES) {
        const list = columns.join(", ");
        const condition = where === undefined ? "" : ` where ${where}`;
        await sql.raw(`create ${unique ? "unique " : ""}index ${name} on ${table} (${list})${condition}`).execute(db);
      }
    },
  };
}
