/** Issuers of an app, and the users that their tokens name. */
import { CodedError } from "../../core/errors.ts";
import type { AppRole } from "../../core/roles.ts";
import type { AppId, Instant } from "../../core/types.ts";
import type { AppUsersTable } from "../app-user-tables.ts";
import { all, first, idsOf, run, type Transaction } from "../operation.ts";
import { ISSUER } from "../rows.ts";
import type { AppIssuerRow } from "../tables.ts";
import { requireApp } from "./owners.ts";

const ISSUER_COLUMNS = [
  "id",
  "app_id",
  "issuer",
  "kind",
  "url",
  "audiences",
  "sealed_secret",
  "created_at",
  "updated_at",
] as const;
const USER_COLUMNS = [
  "id",
  "app_id",
  "issuer_id",
  "subject",
  "email",
  "full_name",
  "role",
  "created_at",
  "last_seen_at",
] as const;

export async function listIssuers({ db }: Transaction, app_id: AppId): Promise<AppIssuerRow[]> {
  return await ISSUER.all(
    db
      .selectFrom("app_issuers")
      .select(ISSUER_COLUMNS)
      .where("app_id", "=", app_id)
      .orderBy("created_at")
      .orderBy("id"),
  );
}

/** Returns the ids of up to `limit` apps with this issuer. */
export async function appsOfIssuer({ db }: Transaction, issuer: string, limit: number): Promise<AppId[]> {
  const rows = await all(
    db.selectFrom("app_issuers").select("app_id").where("issuer", "=", issuer).orderBy("app_id").limit(limit),
  );
  return rows.map(({ app_id }) => app_id);
}

/**
 * Stores an issuer. One with the same name in the app is replaced: it keeps its id, and so its
 * users. Returns null if the app would have more than `limit`.
 *
 * @throws CodedError `not_found` if the app does not exist
 */
export async function putIssuer(
  tx: Transaction,
  issuer: Omit<AppIssuerRow, "created_at" | "updated_at">,
  limit: number,
): Promise<AppIssuerRow | null> {
  const { db, now, invalidates } = tx;
  await requireApp(tx, issuer.app_id);
  const others = (await listIssuers(tx, issuer.app_id)).filter((one) => one.issuer !== issuer.issuer);
  if (others.length >= limit) return null;
  const { id, app_id, issuer: name, ...settings } = ISSUER.encode(issuer);
  const stored = await ISSUER.first(
    db
      .insertInto("app_issuers")
      .values({ id, app_id, issuer: name, ...settings, created_at: now, updated_at: now })
      .onConflict((conflict) => conflict.columns(["app_id", "issuer"]).doUpdateSet({ ...settings, updated_at: now }))
      .returning(ISSUER_COLUMNS),
  );
  if (stored !== null) invalidates("app_issuers", stored.id);
  return stored;
}

/** Deletes an issuer and its users, because no token can name them anymore. */
export async function deleteIssuer({ db, invalidates }: Transaction, app_id: AppId, id: string): Promise<boolean> {
  invalidates("app_issuers", id);
  const deleted = await run(db.deleteFrom("app_issuers").where("app_id", "=", app_id).where("id", "=", id));
  if (deleted === 0) return false;
  await run(db.deleteFrom("app_users").where("app_id", "=", app_id).where("issuer_id", "=", id));
  return true;
}

export async function deleteAppUsersOf({ db, invalidates }: Transaction, app_id: AppId): Promise<void> {
  invalidates(
    "app_issuers",
    idsOf(await all(db.deleteFrom("app_issuers").where("app_id", "=", app_id).returning("id"))),
  );
  await run(db.deleteFrom("app_users").where("app_id", "=", app_id));
}

/**
 * Requires an issuer before a user is stored for it.
 *
 * @throws CodedError `not_found`
 */
export async function requireIssuer({ db }: Transaction, app_id: AppId, id: string): Promise<void> {
  const found = await first(
    db.selectFrom("app_issuers").select("id").where("app_id", "=", app_id).where("id", "=", id),
  );
  if (found === null) throw new CodedError("not_found", { message: "The app has no such issuer." });
}

/** Returns the user behind a token's subject, or null. */
export async function findAppUser(
  { db }: Transaction,
  { app_id, issuer_id, subject }: Pick<AppUsersTable, "app_id" | "issuer_id" | "subject">,
): Promise<AppUsersTable | null> {
  return await first(
    db
      .selectFrom("app_users")
      .select(USER_COLUMNS)
      .where("app_id", "=", app_id)
      .where("issuer_id", "=", issuer_id)
      .where("subject", "=", subject),
  );
}

/** Returns the changed user, or null if the app has no such user. */
export async function setAppUserRole(
  { db, invalidates }: Transaction,
  app_id: AppId,
  id: string,
  role: AppRole,
): Promise<AppUsersTable | null> {
  invalidates("app_users", id);
  return await first(
    db.updateTable("app_users").set({ role }).where("app_id", "=", app_id).where("id", "=", id).returning(USER_COLUMNS),
  );
}

/**
 * Stores what a token says about its user, who gets `id` and the role `user` when first seen. A
 * known user keeps the role. Returns null if the app would have more than `limit` users.
 *
 * @throws CodedError `not_found` if the app does not exist
 */
export async function putAppUser(
  tx: Transaction,
  user: Omit<AppUsersTable, "role" | "created_at" | "last_seen_at">,
  limit: number,
): Promise<AppUsersTable | null> {
  const { db, now } = tx;
  const { app_id, issuer_id, subject, email, full_name } = user;
  const seen = { email, full_name, last_seen_at: now };
  const known = await first(
    db
      .updateTable("app_users")
      .set(seen)
      .where("app_id", "=", app_id)
      .where("issuer_id", "=", issuer_id)
      .where("subject", "=", subject)
      .returning(USER_COLUMNS),
  );
  if (known !== null) return known;
  await requireApp(tx, app_id);
  const users = await first(
    db
      .selectFrom("app_users")
      .select((select) => select.fn.countAll<number>().as("count"))
      .where("app_id", "=", app_id),
  );
  if (users !== null && users.count >= limit) return null;
  return await first(
    db
      .insertInto("app_users")
      .values({ ...user, role: "user", created_at: now, last_seen_at: now })
      .returning(USER_COLUMNS),
  );
}

/** Returns users in the order in which they were first seen, those after `after`. */
export async function listAppUsers(
  { db }: Transaction,
  app_id: AppId,
  after: { readonly created_at: Instant; readonly id: string } | null,
  limit: number,
): Promise<AppUsersTable[]> {
  const users = db
    .selectFrom("app_users")
    .select(USER_COLUMNS)
    .where("app_id", "=", app_id)
    .orderBy("created_at")
    .orderBy("id")
    .limit(limit);
  if (after === null) return await all(users);
  const { created_at, id } = after;
  return await all(
    users.where((where) =>
      where.or([
        where("created_at", ">", created_at),
        where.and([where("created_at", "=", created_at), where("id", ">", id)]),
      ]),
    ),
  );
}
