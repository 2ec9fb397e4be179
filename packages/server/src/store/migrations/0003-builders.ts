/**
 * Adds builders: accounts with sessions, memberships and invitations, plans of workspaces, and
 * users' API keys.
 *
 * The `auth_*` tables belong to the account library (service/accounts/library.ts). It calls a
 * workspace an organization. A server of the previous version runs beside this one: it still finds
 * `sessions`.
 */
import { sql, type CreateTableBuilder } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "./types.ts";

type Columns = Readonly<Record<string, "text" | "text?" | "int8" | "int8?">>;

const TABLES: Readonly<Record<string, Columns>> = {
  auth_user: {
    id: "text",
    name: "text",
    email: "text",
    email_verified: "int8",
    created_at: "int8",
    updated_at: "int8",
  },
  auth_session: {
    id: "text",
    user_id: "text",
    token_hash: "text",
    ip_address: "text?",
    user_agent: "text?",
    created_at: "int8",
    updated_at: "int8",
    expires_at: "int8",
  },
  auth_account: {
    id: "text",
    user_id: "text",
    account_id: "text",
    provider_id: "text",
    password: "text?",
    created_at: "int8",
    updated_at: "int8",
  },
  auth_member: { id: "text", workspace_id: "text", user_id: "text", role: "text", created_at: "int8" },
  invitations: {
    id: "text",
    workspace_id: "text",
    token_hash: "text",
    email: "text",
    role: "text",
    invited_by: "text",
    created_at: "int8",
    expires_at: "int8",
    used_at: "int8?",
  },
};

const INDEXES: readonly string[] = [
  "create unique index auth_user_email on auth_user (email)",
  "create unique index auth_session_token on auth_session (token_hash)",
  "create index auth_session_user on auth_session (user_id)",
  "create index auth_account_user on auth_account (user_id)",
  "create unique index auth_member_user on auth_member (user_id, workspace_id)",
  "create index auth_member_workspace on auth_member (workspace_id)",
  "create unique index invitations_token on invitations (token_hash)",
  "create index invitations_workspace on invitations (workspace_id)",
  "create index api_keys_workspace on api_keys (workspace_id)",
];

/** The defaults are for existing rows, and for rows that a server of the previous version adds. */
const ADDED: readonly (readonly [table: string, column: string, type: string])[] = [
  ["workspaces", "plan", "text not null default 'builder'"],
  ["workspaces", "slug", "text"],
  ["apps", "functions_enabled", "int8 not null default 1"],
  ["apps", "updated_at", "int8"],
  ["api_keys", "user_id", "text"],
  ["api_keys", "scope", "text not null default 'admin'"],
  ["setup_links", "user_id", "text"],
];

export function builders(types: ColumnTypes): Migration {
  const typeOf = (declared: string): string => declared.replace("?", "").replace("int8", types.int8);
  return {
    async up(db) {
      for (const [name, columns] of Object.entries(TABLES)) {
        let table: CreateTableBuilder<string, string> = db.schema.createTable(name);
        for (const [column, declared] of Object.entries(columns)) {
          table = table.addColumn(column, sql.raw(typeOf(declared)), (builder) =>
            declared.endsWith("?") ? builder : builder.notNull(),
          );
        }
        await table.addPrimaryKeyConstraint(`${name}_pk`, ["id"]).execute();
      }
      for (const [table, column, type] of ADDED)
        await sql.raw(`alter table ${table} add column ${column} ${typeOf(type)}`).execute(db);
      // Until this migration there was at most one.
      await sql`insert into settings (name, value) select 'default_workspace', id from workspaces order by created_at limit 1`.execute(
        db,
      );
      for (const statement of INDEXES) await sql.raw(statement).execute(db);
    },
  };
}
