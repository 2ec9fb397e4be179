/** Service tokens, API keys and setup links. Only their digests are stored. */
import type { AppId, Instant, UserId, WorkspaceId } from "../../core/types.ts";
import { all, first, idsOf, run, type Transaction } from "../operation.ts";
import { APP } from "../rows.ts";
import type { SetupLinksTable } from "../account-tables.ts";
import type { ApiKeysTable, ServiceTokenRow, ServiceTokensTable } from "../tables.ts";

const TOKEN_COLUMNS = [
  "app_id",
  "id",
  "name",
  "digest",
  "created_at",
  "expires_at",
  "revoked_at",
  "last_used_at",
] as const;
const KEY_COLUMNS = [
  "id",
  "workspace_id",
  "user_id",
  "scope",
  "name",
  "digest",
  "created_at",
  "expires_at",
  "revoked_at",
  "last_used_at",
] as const;

type NewServiceToken = Pick<ServiceTokensTable, "app_id" | "id" | "name" | "digest" | "expires_at">;

/** Creates a service token. Returns false if the app has `limit` live tokens already. */
export async function createServiceToken(tx: Transaction, token: NewServiceToken, limit: number): Promise<boolean> {
  const { db, now, invalidates } = tx;
  const tokens = await listServiceTokens(tx, token.app_id);
  const live = tokens.filter((row) => row.revoked_at === null && (row.expires_at === null || row.expires_at > now));
  if (live.length >= limit) return false;
  invalidates("service_tokens", token.id);
  await run(
    db.insertInto("service_tokens").values({ ...token, created_at: now, revoked_at: null, last_used_at: null }),
  );
  return true;
}

export async function getServiceToken({ db }: Transaction, id: string): Promise<ServiceTokenRow | null> {
  return await APP.first(
    db
      .selectFrom("service_tokens")
      .innerJoin("apps", "apps.id", "service_tokens.app_id")
      .innerJoin("workspaces", "workspaces.id", "apps.workspace_id")
      .select(TOKEN_COLUMNS.map((column) => `service_tokens.${column}` as const))
      .select(["apps.functions_enabled", "workspaces.plan"])
      .where("service_tokens.id", "=", id),
  );
}

export async function listServiceTokens({ db }: Transaction, app_id: AppId): Promise<ServiceTokensTable[]> {
  return await all(
    db.selectFrom("service_tokens").select(TOKEN_COLUMNS).where("app_id", "=", app_id).orderBy("created_at"),
  );
}

export async function revokeServiceToken(
  { db, now, invalidates }: Transaction,
  app_id: AppId,
  id: string,
): Promise<boolean> {
  invalidates("service_tokens", id);
  const update = db
    .updateTable("service_tokens")
    .set({ revoked_at: now })
    .where("app_id", "=", app_id)
    .where("id", "=", id)
    .where("revoked_at", "is", null);
  return (await run(update)) === 1;
}

type NewApiKey = Pick<ApiKeysTable, "id" | "workspace_id" | "user_id" | "scope" | "name" | "digest" | "expires_at">;

export async function createApiKey({ db, now, invalidates }: Transaction, key: NewApiKey): Promise<void> {
  invalidates("api_keys", key.id);
  await run(db.insertInto("api_keys").values({ ...key, created_at: now, revoked_at: null, last_used_at: null }));
}

export async function getApiKey({ db }: Transaction, id: string): Promise<ApiKeysTable | null> {
  return await first(db.selectFrom("api_keys").select(KEY_COLUMNS).where("id", "=", id));
}

export async function listApiKeys({ db }: Transaction, workspace_id: WorkspaceId): Promise<ApiKeysTable[]> {
  return await all(
    db
      .selectFrom("api_keys")
      .select(KEY_COLUMNS)
      .where("workspace_id", "=", workspace_id)
      .orderBy("created_at")
      .orderBy("id"),
  );
}

export async function revokeApiKey(
  { db, now, invalidates }: Transaction,
  workspace_id: WorkspaceId,
  id: string,
): Promise<boolean> {
  invalidates("api_keys", id);
  const update = db
    .updateTable("api_keys")
    .set({ revoked_at: now })
    .where("workspace_id", "=", workspace_id)
    .where("id", "=", id)
    .where("revoked_at", "is", null);
  return (await run(update)) === 1;
}

/** Gives the keys that were created before any account existed to their first owner. */
export async function adoptApiKeys(
  { db, invalidates }: Transaction,
  workspace_id: WorkspaceId,
  user_id: UserId,
): Promise<void> {
  const adopted = await all(
    db
      .updateTable("api_keys")
      .set({ user_id })
      .where("workspace_id", "=", workspace_id)
      .where("user_id", "is", null)
      .returning("id"),
  );
  invalidates("api_keys", idsOf(adopted));
}

export async function createSetupLink(
  { db, now }: Transaction,
  token_hash: string,
  expires_at: Instant,
  user_id: UserId | null = null,
): Promise<void> {
  await run(db.insertInto("setup_links").values({ token_hash, user_id, created_at: now, expires_at, used_at: null }));
}

/** Returns the link if it is usable now. Does not use it. */
export async function openSetupLink(
  { db, now }: Transaction,
  token_hash: string,
): Promise<Pick<SetupLinksTable, "user_id"> | null> {
  const query = db
    .selectFrom("setup_links")
    .select("user_id")
    .where("token_hash", "=", token_hash)
    .where("used_at", "is", null)
    .where("expires_at", ">", now);
  return await first(query);
}

/** Uses the link. Returns false if it is used, unknown or expired. */
export async function useSetupLink({ db, now }: Transaction, token_hash: string): Promise<boolean> {
  const update = db
    .updateTable("setup_links")
    .set({ used_at: now })
    .where("token_hash", "=", token_hash)
    .where("used_at", "is", null)
    .where("expires_at", ">", now);
  return (await run(update)) === 1;
}

/** Deletes sessions, links and invitations that have expired. */
export async function deleteOldCredentials({ db }: Transaction, sessions_before: Instant, now: Instant): Promise<void> {
  await run(db.deleteFrom("auth_session").where("created_at", "<", sessions_before));
  await run(db.deleteFrom("auth_session").where("expires_at", "<", now));
  await run(db.deleteFrom("setup_links").where("expires_at", "<", now));
  await run(db.deleteFrom("invitations").where("expires_at", "<", now));
}

/** Records the last use of tokens and keys. The caller collects them, so that no request waits. */
export async function recordUse(
  { db }: Transaction,
  tokens: ReadonlyMap<string, Instant>,
  keys: ReadonlyMap<string, Instant> = new Map(),
): Promise<void> {
  for (const [id, at] of tokens)
    await run(db.updateTable("service_tokens").set({ last_used_at: at }).where("id", "=", id));
  for (const [id, at] of keys) await run(db.updateTable("api_keys").set({ last_used_at: at }).where("id", "=", id));
}
