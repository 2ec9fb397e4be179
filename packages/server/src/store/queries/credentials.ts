/** Service tokens, API keys, sessions and setup links: what a caller shows to be let in. Only digests are stored. */
import type { AppId, Instant } from "../../core/types.ts";
import { all, first, run, type Operation, type Transaction } from "../operation.ts";
import type { ApiKeysTable, ServiceTokensTable, SessionsTable } from "../tables.ts";

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

export function* getServiceToken({ db }: Transaction, id: string): Operation<ServiceTokensTable | null> {
  return yield* first(db.selectFrom("service_tokens").select(TOKEN_COLUMNS).where("id", "=", id));
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

export function* createApiKey(
  { db, now }: Transaction,
  key: Pick<ApiKeysTable, "id" | "workspace_id" | "name" | "digest">,
): Operation<void> {
  yield* run(
    db
      .insertInto("api_keys")
      .values({ ...key, created_at: now, expires_at: null, revoked_at: null, last_used_at: null }),
  );
}

export function* getApiKey({ db }: Transaction, id: string): Operation<ApiKeysTable | null> {
  return yield* first(db.selectFrom("api_keys").select(KEY_COLUMNS).where("id", "=", id));
}

export function* createSetupLink({ db, now }: Transaction, token_hash: string, expires_at: Instant): Operation<void> {
  yield* run(db.insertInto("setup_links").values({ token_hash, created_at: now, expires_at, used_at: null }));
}

/** Whether the link would sign in now; reading does not use it up. */
export function* isSetupLinkOpen({ db, now }: Transaction, token_hash: string): Operation<boolean> {
  const query = db
    .selectFrom("setup_links")
    .select("token_hash")
    .where("token_hash", "=", token_hash)
    .where("used_at", "is", null)
    .where("expires_at", ">", now);
  return (yield* first(query)) !== null;
}

/** Uses the link up and opens the session in one step; false when the link is used, unknown or over. */
export function* useSetupLink(
  { db, now }: Transaction,
  token_hash: string,
  session: Pick<SessionsTable, "token_hash" | "principal">,
): Operation<boolean> {
  const update = db
    .updateTable("setup_links")
    .set({ used_at: now })
    .where("token_hash", "=", token_hash)
    .where("used_at", "is", null)
    .where("expires_at", ">", now);
  if ((yield* run(update)) !== 1) return false;
  yield* run(db.insertInto("sessions").values({ ...session, created_at: now, last_seen_at: now }));
  return true;
}

export function* getSession({ db }: Transaction, token_hash: string): Operation<SessionsTable | null> {
  return yield* first(
    db
      .selectFrom("sessions")
      .select(["token_hash", "principal", "created_at", "last_seen_at"])
      .where("token_hash", "=", token_hash),
  );
}

export function* touchSession({ db, now }: Transaction, token_hash: string): Operation<void> {
  yield* run(db.updateTable("sessions").set({ last_seen_at: now }).where("token_hash", "=", token_hash));
}

export function* deleteSession({ db }: Transaction, token_hash: string): Operation<void> {
  yield* run(db.deleteFrom("sessions").where("token_hash", "=", token_hash));
}

/** Sessions and links that can let nobody in any more. */
export function* deleteOldCredentials(
  { db }: Transaction,
  sessions_before: Instant,
  links_before: Instant,
): Operation<void> {
  yield* run(db.deleteFrom("sessions").where("created_at", "<", sessions_before));
  yield* run(db.deleteFrom("setup_links").where("expires_at", "<", links_before));
}

/** When tokens were last used; written in batches, off the path of the request. */
export function* recordUse({ db }: Transaction, used: ReadonlyMap<string, Instant>): Operation<void> {
  for (const [id, at] of used) {
    yield* run(db.updateTable("service_tokens").set({ last_used_at: at }).where("id", "=", id));
  }
}
