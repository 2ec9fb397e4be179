/** Apps, and the connectors that an app declares. */
import type { AppId, WorkspaceId } from "../../core/types.ts";
import { all, first, idsOf, run, type Transaction } from "../operation.ts";
import { APP, CONNECTOR } from "../rows.ts";
import type { AppRow, AppsTable, ConnectorRow } from "../tables.ts";
import { deleteAppSecretsOf } from "./app-secrets.ts";
import { deleteAppUsersOf } from "./app-users.ts";
import { deleteFunctionsOf } from "./functions.ts";

/** Creates an app. Returns false if another app of the workspace has the name. */
export async function createApp(
  { db, now, invalidates }: Transaction,
  app: Pick<AppsTable, "id" | "workspace_id" | "name">,
): Promise<boolean> {
  const taken = await first(
    db.selectFrom("apps").select("id").where("workspace_id", "=", app.workspace_id).where("name", "=", app.name),
  );
  if (taken !== null) return false;
  invalidates("apps", app.id);
  await run(db.insertInto("apps").values({ ...app, created_at: now, functions_enabled: 1, updated_at: now }));
  return true;
}

function selectApps(db: Transaction["db"]) {
  return db
    .selectFrom("apps")
    .innerJoin("workspaces", "workspaces.id", "apps.workspace_id")
    .select([
      "apps.id",
      "apps.workspace_id",
      "apps.name",
      "apps.created_at",
      "apps.functions_enabled",
      "apps.updated_at",
      "workspaces.plan",
    ]);
}

export async function getApp({ db }: Transaction, id: AppId): Promise<AppRow | null> {
  return await APP.first(selectApps(db).where("apps.id", "=", id));
}

/** Returns the id of the installation's only app. Null: it has none, or several. */
export async function onlyApp({ db }: Transaction): Promise<AppId | null> {
  const [app, another] = await all(db.selectFrom("apps").select("id").limit(2));
  return another === undefined ? (app?.id ?? null) : null;
}

/** Returns the apps of one workspace, or (null) of all. */
export async function listApps({ db }: Transaction, workspace_id: WorkspaceId | null = null): Promise<AppRow[]> {
  const apps = selectApps(db).orderBy("apps.created_at").orderBy("apps.id");
  return await APP.all(workspace_id === null ? apps : apps.where("apps.workspace_id", "=", workspace_id));
}

/** Changes an app. Returns false if another app of the workspace has the name. */
export async function changeApp(
  { db, now, invalidates }: Transaction,
  app: Pick<AppsTable, "id" | "workspace_id">,
  change: Partial<Pick<AppRow, "name" | "functions_enabled">>,
): Promise<boolean> {
  if (change.name !== undefined) {
    const taken = await first(
      db
        .selectFrom("apps")
        .select("id")
        .where("workspace_id", "=", app.workspace_id)
        .where("name", "=", change.name)
        .where("id", "<>", app.id),
    );
    if (taken !== null) return false;
  }
  invalidates("apps", app.id);
  await run(
    db
      .updateTable("apps")
      .set({ ...APP.encode(change), updated_at: now })
      .where("id", "=", app.id),
  );
  return true;
}

/**
 * Deletes an app with everything it owns, and its data key: without the key, no copy of its
 * ciphertexts can be decrypted.
 */
export async function deleteApp(tx: Transaction, id: AppId): Promise<boolean> {
  const { db, invalidates } = tx;
  await run(db.deleteFrom("data_keys").where("scope", "=", id));
  const connections = await all(db.deleteFrom("connections").where("app_id", "=", id).returning("id"));
  invalidates("connections", idsOf(connections));
  const connectors = await all(db.deleteFrom("connectors").where("app_id", "=", id).returning("integration_type"));
  invalidates(
    "connectors",
    connectors.map(({ integration_type }) => connectorId(id, integration_type)),
  );
  await run(db.deleteFrom("flows").where("app_id", "=", id));
  await deleteFunctionsOf(tx, id);
  await deleteAppSecretsOf(tx, id);
  await deleteAppUsersOf(tx, id);
  await run(db.deleteFrom("app_profiles").where("app_id", "=", id));
  const tokens = await all(db.deleteFrom("service_tokens").where("app_id", "=", id).returning("id"));
  invalidates("service_tokens", idsOf(tokens));
  invalidates("apps", id);
  return (await run(db.deleteFrom("apps").where("id", "=", id))) === 1;
}

const connectorId = (app_id: AppId, integration_type: string): string => `${app_id}/${integration_type}`;

export async function declareConnector(
  { db, now, invalidates }: Transaction,
  app_id: AppId,
  integration_type: string,
  scopes: readonly string[],
): Promise<void> {
  invalidates("connectors", connectorId(app_id, integration_type));
  const declared = CONNECTOR.encode({ scopes });
  const insert = db
    .insertInto("connectors")
    .values({ app_id, integration_type, ...declared, created_at: now, updated_at: now })
    .onConflict((conflict) =>
      conflict.columns(["app_id", "integration_type"]).doUpdateSet({ ...declared, updated_at: now }),
    );
  await run(insert);
}

export async function listConnectors({ db }: Transaction, app_id: AppId): Promise<ConnectorRow[]> {
  return await CONNECTOR.all(
    db
      .selectFrom("connectors")
      .select(["app_id", "integration_type", "scopes", "created_at", "updated_at"])
      .where("app_id", "=", app_id)
      .orderBy("integration_type"),
  );
}

export async function removeConnector(
  { db, invalidates }: Transaction,
  app_id: AppId,
  integration_type: string,
): Promise<void> {
  invalidates("connectors", connectorId(app_id, integration_type));
  await run(db.deleteFrom("connectors").where("app_id", "=", app_id).where("integration_type", "=", integration_type));
}
