/**
 * The services that a workspace allows its apps. No row: the service is allowed.
 *
 * A switch that is off is also written to the connections, so that serving a token needs no further
 * query.
 */
import type { AppId, Instant, WorkspaceId } from "../../core/types.ts";
import { all, first, idsOf, run, type Transaction } from "../operation.ts";
import { GOVERNANCE } from "../rows.ts";
import type { GovernanceRow } from "../tables.ts";

const COLUMNS = [
  "governance.workspace_id",
  "governance.integration_type",
  "governance.builder_connection_enabled",
  "governance.per_user_connection_enabled",
  "governance.updated_at",
] as const;

export async function listGovernance({ db }: Transaction, workspace_id: WorkspaceId): Promise<GovernanceRow[]> {
  return await GOVERNANCE.all(db.selectFrom("governance").select(COLUMNS).where("workspace_id", "=", workspace_id));
}

export async function getGovernance(
  { db }: Transaction,
  workspace_id: WorkspaceId,
  integration_type: string,
): Promise<GovernanceRow | null> {
  return await GOVERNANCE.first(
    db
      .selectFrom("governance")
      .select(COLUMNS)
      .where("workspace_id", "=", workspace_id)
      .where("integration_type", "=", integration_type),
  );
}

export async function putGovernance(
  { db, now, invalidates }: Transaction,
  switches: Omit<GovernanceRow, "updated_at">,
): Promise<void> {
  const { workspace_id, integration_type, ...enabled } = GOVERNANCE.encode(switches);
  await run(
    db
      .insertInto("governance")
      .values({ workspace_id, integration_type, ...enabled, updated_at: now })
      .onConflict((conflict) =>
        conflict.columns(["workspace_id", "integration_type"]).doUpdateSet({ ...enabled, updated_at: now }),
      ),
  );
  const connections = db
    .updateTable("connections")
    .where("integration_type", "=", integration_type)
    .where("connector_id", "is", null)
    .where("app_id", "in", (query) =>
      query.selectFrom("apps").select("apps.id").where("apps.workspace_id", "=", workspace_id),
    );
  const changed = switches.builder_connection_enabled
    ? connections.set({ blocked_at: null }).where("blocked_at", "is not", null)
    : connections.set({ blocked_at: now }).where("blocked_at", "is", null);
  invalidates("connections", idsOf(await all(changed.returning("id"))));
}

/** Returns the `blocked_at` of a new connection: null if its service is allowed. */
export async function blockedSince(
  { db, now }: Transaction,
  app_id: AppId,
  integration_type: string,
): Promise<Instant | null> {
  const off = await first(
    db
      .selectFrom("governance")
      .innerJoin("apps", "apps.workspace_id", "governance.workspace_id")
      .select(COLUMNS)
      .where("apps.id", "=", app_id)
      .where("governance.integration_type", "=", integration_type)
      .where("governance.builder_connection_enabled", "=", 0),
  );
  return off === null ? null : now;
}
