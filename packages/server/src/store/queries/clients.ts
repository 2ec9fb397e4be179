/** OAuth clients: the id and sealed secret of a registration at a provider. */
import type { OAuthClientId, WorkspaceId } from "../../core/types.ts";
import { run, type Transaction } from "../operation.ts";
import { OAUTH_CLIENT } from "../rows.ts";
import type { OAuthClientRow } from "../tables.ts";

const COLUMNS = [
  "id",
  "workspace_id",
  "integration_type",
  "client_id",
  "sealed_secret",
  "shared_callback",
  "created_at",
  "updated_at",
] as const;

/** Returns the workspace's own client for a service, or else the installation's. */
export async function findClient(
  { db }: Transaction,
  workspace_id: WorkspaceId,
  integration_type: string,
): Promise<OAuthClientRow | null> {
  return await OAUTH_CLIENT.first(
    db
      .selectFrom("oauth_clients")
      .select(COLUMNS)
      .where("integration_type", "=", integration_type)
      .where((where) => where.or([where("workspace_id", "=", workspace_id), where("workspace_id", "is", null)]))
      // The two databases sort nulls differently.
      .orderBy((order) => order.case().when("workspace_id", "is", null).then(1).else(0).end())
      .limit(1),
  );
}

export async function getClient({ db }: Transaction, id: OAuthClientId): Promise<OAuthClientRow | null> {
  return await OAUTH_CLIENT.first(db.selectFrom("oauth_clients").select(COLUMNS).where("id", "=", id));
}

export async function installationClient(
  { db }: Transaction,
  integration_type: string,
): Promise<OAuthClientRow | null> {
  return await OAUTH_CLIENT.first(
    db
      .selectFrom("oauth_clients")
      .select(COLUMNS)
      .where("integration_type", "=", integration_type)
      .where("workspace_id", "is", null),
  );
}

/** Returns the client of a workspace, or (null) of the installation. There is no fallback. */
export async function registeredClient(
  { db }: Transaction,
  workspace_id: WorkspaceId | null,
  integration_type: string,
): Promise<OAuthClientRow | null> {
  return await OAUTH_CLIENT.first(
    db
      .selectFrom("oauth_clients")
      .select(COLUMNS)
      .where("integration_type", "=", integration_type)
      .where("workspace_id", workspace_id === null ? "is" : "=", workspace_id),
  );
}

export async function listClients({ db }: Transaction): Promise<OAuthClientRow[]> {
  return await OAUTH_CLIENT.all(db.selectFrom("oauth_clients").select(COLUMNS).orderBy("integration_type"));
}

export async function insertClient(
  { db, now, invalidates }: Transaction,
  client: Omit<OAuthClientRow, "created_at" | "updated_at">,
): Promise<void> {
  invalidates("oauth_clients", client.id);
  await run(
    db.insertInto("oauth_clients").values({ ...OAUTH_CLIENT.encode(client), created_at: now, updated_at: now }),
  );
}

/** Replaces the secret of a registration. Its connections stay valid. */
export async function replaceSecret(
  { db, now, invalidates }: Transaction,
  id: OAuthClientId,
  set: Pick<OAuthClientRow, "sealed_secret" | "shared_callback">,
): Promise<void> {
  invalidates("oauth_clients", id);
  await run(
    db
      .updateTable("oauth_clients")
      .set({ ...OAUTH_CLIENT.encode(set), updated_at: now })
      .where("id", "=", id),
  );
}

export async function deleteClient({ db, invalidates }: Transaction, id: OAuthClientId): Promise<boolean> {
  invalidates("oauth_clients", id);
  return (await run(db.deleteFrom("oauth_clients").where("id", "=", id))) === 1;
}
