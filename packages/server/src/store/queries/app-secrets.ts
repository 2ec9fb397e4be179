/** The sealed secrets of an app, which its functions read. */
import type { AppId } from "../../core/types.ts";
import { all, run, type Transaction } from "../operation.ts";
import type { AppSecretsTable } from "../function-tables.ts";
import { requireApp } from "./owners.ts";

const secretId = (app_id: AppId, name: string): string => `${app_id}/${name}`;

export async function listAppSecrets({ db }: Transaction, app_id: AppId): Promise<AppSecretsTable[]> {
  return await all(
    db
      .selectFrom("app_secrets")
      .select(["app_id", "name", "sealed_value", "updated_at"])
      .where("app_id", "=", app_id)
      .orderBy("name"),
  );
}

/**
 * Stores all of the secrets, or none. Returns false if the app would have more than `limit`.
 *
 * @throws CodedError `not_found` if the app does not exist
 */
export async function putAppSecrets(
  tx: Transaction,
  app_id: AppId,
  secrets: readonly Pick<AppSecretsTable, "name" | "sealed_value">[],
  limit: number,
): Promise<boolean> {
  const { db, now, invalidates } = tx;
  await requireApp(tx, app_id);
  const stored = await listAppSecrets(tx, app_id);
  if (new Set([...stored, ...secrets].map(({ name }) => name)).size > limit) return false;
  for (const { name, sealed_value } of secrets) {
    invalidates("app_secrets", secretId(app_id, name));
    await run(
      db
        .insertInto("app_secrets")
        .values({ app_id, name, sealed_value, updated_at: now })
        .onConflict((conflict) => conflict.columns(["app_id", "name"]).doUpdateSet({ sealed_value, updated_at: now })),
    );
  }
  return true;
}

export async function deleteAppSecret({ db, invalidates }: Transaction, app_id: AppId, name: string): Promise<boolean> {
  invalidates("app_secrets", secretId(app_id, name));
  return (await run(db.deleteFrom("app_secrets").where("app_id", "=", app_id).where("name", "=", name))) === 1;
}

export async function deleteAppSecretsOf({ db, invalidates }: Transaction, app_id: AppId): Promise<void> {
  const deleted = await all(db.deleteFrom("app_secrets").where("app_id", "=", app_id).returning("name"));
  invalidates(
    "app_secrets",
    deleted.map(({ name }) => secretId(app_id, name)),
  );
}
