/** Workspaces, apps, and what an app declares: its connectors. */
import type { AppId, WorkspaceId } from "../../core/types.ts";
import { all, first, run, type Operation, type Transaction } from "../operation.ts";
import type { AppsTable, ConnectorsTable } from "../tables.ts";

/** The workspace of an installation that has only one. */
export function* defaultWorkspace({ db, now }: Transaction, id: WorkspaceId): Operation<WorkspaceId> {
  const existing = yield* first(db.selectFrom("workspaces").select("id").orderBy("created_at").limit(1));
  if (existing !== null) return existing.id;
  yield* run(db.insertInto("workspaces").values({ id, name: "default", created_at: now }));
  return id;
}

export function* createApp(
  { db, now }: Transaction,
  app: Pick<AppsTable, "id" | "workspace_id" | "name">,
): Operation<boolean> {
  const taken = yield* first(
    db.selectFrom("apps").select("id").where("workspace_id", "=", app.workspace_id).where("name", "=", app.name),
  );
  if (taken !== null) return false;
  yield* run(db.insertInto("apps").values({ ...app, created_at: now }));
  return true;
}

export function* getApp({ db }: Transaction, id: AppId): Operation<AppsTable | null> {
  return yield* first(db.selectFrom("apps").select(["id", "workspace_id", "name", "created_at"]).where("id", "=", id));
}

export function* listApps({ db }: Transaction): Operation<AppsTable[]> {
  return yield* all(db.selectFrom("apps").select(["id", "workspace_id", "name", "created_at"]).orderBy("created_at"));
}

/** Forgets an app with everything it owns, its data key first: without it, copies of its ciphertexts stay closed. */
export function* deleteApp({ db }: Transaction, id: AppId): Operation<boolean> {
  yield* run(db.deleteFrom("data_keys").where("scope", "=", id));
  yield* run(db.deleteFrom("connections").where("app_id", "=", id));
  yield* run(db.deleteFrom("connectors").where("app_id", "=", id));
  yield* run(db.deleteFrom("flows").where("app_id", "=", id));
  yield* run(db.deleteFrom("service_tokens").where("app_id", "=", id));
  return (yield* run(db.deleteFrom("apps").where("id", "=", id))) === 1;
}

export function* declareConnector(
  { db, now }: Transaction,
  app_id: AppId,
  integration_type: string,
  scopes: string,
): Operation<void> {
  const insert = db
    .insertInto("connectors")
    .values({ app_id, integration_type, scopes, created_at: now, updated_at: now })
    .onConflict((conflict) =>
      conflict.columns(["app_id", "integration_type"]).doUpdateSet({ scopes, updated_at: now }),
    );
  yield* run(insert);
}

export function* listConnectors({ db }: Transaction, app_id: AppId): Operation<ConnectorsTable[]> {
  return yield* all(
    db
      .selectFrom("connectors")
      .select(["app_id", "integration_type", "scopes", "created_at", "updated_at"])
      .where("app_id", "=", app_id)
      .orderBy("integration_type"),
  );
}

export function* removeConnector({ db }: Transaction, app_id: AppId, integration_type: string): Operation<void> {
  yield* run(db.deleteFrom("connectors").where("app_id", "=", app_id).where("integration_type", "=", integration_type));
}
