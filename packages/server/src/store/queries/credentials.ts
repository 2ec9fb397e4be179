/** Service tokens, API keys and setup links: what a caller shows to be let in. Only digests are stored. */
import type { AppId, Instant, UserId, WorkspaceId } from "../../core/types.ts";
import { all, first, run, type Operation, type Transaction } from "../operation.ts";
import type { ApiKeysTable, ServiceTokenRow, ServiceTokensTable, SetupLinksTable } from "../tables.ts";

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

/** False when the app has `limit` live tokens already. */
export function* createServiceToken(tx: Transaction, token: NewServiceToken, limit: number): Operation<boolean> {
  const { db, now } = tx;
  const tokens = yield* listServiceTokens(tx, token.app_id);
  const live = tokens.filter((row) => row.revoked_at === null && (row.expires_at === null || row.expires_at > now));
  if (live.length >= limit) return false;
  yield* run(
    db.insertInto("service_tokens").values({ ...token, created_at: now, revoked_at: null, last_used_at: null }),
  );
  return true;
}

export function* getServiceToken({ db }: Transaction, id: string): Operation<ServiceTokenRow | null> {
  return yield* first(
    db
      .selectFrom("service_tokens")
      .innerJoin("apps", "apps.id", "service_tokens.app_id")
      .innerJoin("workspaces", "workspaces.id", "apps.workspace_id")
      .select(TOKEN_COLUMNS.map((column) => `service_tokens.${column}` as const))
      .select(["apps.functions_enabled", "workspaces.plan"])
      .where("service_tokens.id", "=", id),
  );
}

export function* listServiceTokens({ db }: Transaction, app_id: AppId): Operation<ServiceTokensTable[]> {
  return yield* all(
    db.selectFrom("service_tokens").select(TOKEN_COLUMNS).where("app_id", "=", app_id).orderBy("created_at"),
  );
}

export function* revokeServiceToken({ db, now }: Transaction, app_id: AppId, id: string): Operation<boolean> {
  const update = db
    .updateTable("service_tokens")
    .set({ revoked_at: now })
    .where("app_id", "=", app_id)
    .where("id", "=", id)
    .where("revoked_at", "is", null);
  return (yield* run(update)) === 1;
}

type NewApiKey = Pick<ApiKeysTable, "id" | "workspace_id" | "user_id" | "scope" | "name" | "digest" | "expires_at">;

export function* createApiKey({ db, now }: Transaction, key: NewApiKey): Operation<void> {
  yield* run(db.insertInto("api_keys").values({ ...key, created_at: now, revoked_at: null, last_used_at: null }));
}

export function* getApiKey({ db }: Transaction, id: string): Operation<ApiKeysTable | null> {
  return yield* first(db.selectFrom("api_keys").select(KEY_COLUMNS).where("id", "=", id));
}

export function* listApiKeys({ db }: Transaction, workspace_id: WorkspaceId): Operation<ApiKeysTable[]> {
  return yield* all(
    db
      .selectFrom("api_keys")
      .select(KEY_COLUMNS)
      .where("workspace_id", "=", workspace_id)
      .orderBy("created_at")
      .orderBy("id"),
  );
}

export function* revokeApiKey({ db, now }: Transaction, workspace_id: WorkspaceId, id: string): Operation<boolean> {
  const update = db
    .updateTable("api_keys")
    .set({ revoked_at: now })
    .where("workspace_id", "=", workspace_id)
    .where("id", "=", id)
    .where("revoked_at", "is", null);
  return (yield* run(update)) === 1;
}

/** Keys that were made before anybody had an account. */
export function* adoptApiKeys({ db }: Transaction, workspace_id: WorkspaceId, user_id: UserId): Operation<void> {
  yield* run(
    db.updateTable("api_keys").set({ user_id }).where("workspace_id", "=", workspace_id).where("user_id", "is", null),
  );
}

export function* createSetupLink(
  { db, now }: Transaction,
  token_hash: string,
  expires_at: Instant,
  user_id: UserId | null = null,
): Operation<void> {
  yield* run(db.insertInto("setup_links").values({ token_hash, user_id, created_at: now, expires_at, used_at: null }));
}

/** The link when it would sign in now; reading does not use it up. */
export function* openSetupLink(
  { db, now }: Transaction,
  token_hash: string,
): Operation<Pick<SetupLinksTable, "user_id"> | null> {
  const query = db
    .selectFrom("setup_links")
    .select("user_id")
    .where("token_hash", "=", token_hash)
    .where("used_at", "is", null)
    .where("expires_at", ">", now);
  return yield* first(query);
}

/** Uses the link up; false when the link is used, unknown or over. */
export function* useSetupLink({ db, now }: Transaction, token_hash: string): Operation<boolean> {
  const update = db
    .updateTable("setup_links")
    .set({ used_at: now })
    .where("token_hash", "=", token_hash)
    .where("used_at", "is", null)
    .where("expires_at", ">", now);
  return (yield* run(update)) === 1;
}

/** Sessions and links that can let nobody in any more. */
export function* deleteOldCredentials({ db }: Transaction, sessions_before: Instant, now: Instant): Operation<void> {
  yield* run(db.deleteFrom("auth_session").where("created_at", "<", sessions_before));
  yield* run(db.deleteFrom("auth_session").where("expires_at", "<", now));
  yield* run(db.deleteFrom("setup_links").where("expires_at", "<", now));
  yield* run(db.deleteFrom("invitations").where("expires_at", "<", now));
}

/** When tokens and keys were last used; written in batches, off the path of the request. */
export function* recordUse(
  { db }: Transaction,
  tokens: ReadonlyMap<string, Instant>,
  keys: ReadonlyMap<string, Instant> = new Map(),
): Operation<void> {
  for (const [id, at] of tokens)
    yield* run(db.updateTable("service_tokens").set({ last_used_at: at }).where("id", "=", id));
  for (const [id, at] of keys) yield* run(db.updateTable("api_keys").set({ last_used_at: at }).where("id", "=", id));
}
