/** The audit trail. Events are added and read. No operation changes or deletes one. */
import { sql } from "kysely";
import { asAppId } from "../../core/ids.ts";
import type { Instant, WorkspaceId } from "../../core/types.ts";
import { all, run, type Transaction } from "../operation.ts";
import type { AuditEventsTable } from "../tables.ts";

const COLUMNS = ["app_id", "id", "at", "actor", "action", "target", "request_id", "workspace_id", "address"] as const;
/** Numbers of rows in one statement. Few sizes mean few prepared statements. */
const SIZES = [64, 8, 1];

/**
 * Adds events. Completes a missing workspace from the app, which can be deleted before an export.
 */
export async function appendAudit({ db }: Transaction, events: readonly AuditEventsTable[]): Promise<void> {
  const app_ids = new Set(events.filter((event) => event.workspace_id === null).map((event) => event.app_id));
  app_ids.delete("");
  const apps =
    app_ids.size === 0
      ? []
      : await all(
          db
            .selectFrom("apps")
            .select(["id", "workspace_id"])
            .where("id", "in", [...app_ids].map(asAppId)),
        );
  const workspaces = new Map<string, WorkspaceId>(apps.map((app) => [app.id, app.workspace_id]));
  let rest = events.map((event) => ({
    ...event,
    workspace_id: event.workspace_id ?? workspaces.get(event.app_id) ?? null,
  }));
  for (const size of SIZES) {
    for (; rest.length >= size; rest = rest.slice(size))
      await run(db.insertInto("audit_events").values(rest.slice(0, size)));
  }
}

/** Returns the latest events of an app, newest first. */
export async function listAudit({ db }: Transaction, app_id: string, count: number): Promise<AuditEventsTable[]> {
  return await all(
    db
      .selectFrom("audit_events")
      .select(COLUMNS)
      .where("app_id", "=", app_id)
      .orderBy("at", "desc")
      .orderBy("id")
      .limit(count),
  );
}

export interface AuditQuery {
  /** Null: events of all apps, and events without an app. */
  readonly app_id: string | null;
  /** Events of these workspaces and their apps. Null: all, including deleted workspaces. */
  readonly workspace_ids: readonly WorkspaceId[] | null;
  /** Includes events without a workspace, such as sign-ins. */
  readonly installation: boolean;
  /** Inclusive. */
  readonly since: Instant;
  /** Exclusive. */
  readonly until: Instant;
  /** The last event of the previous page. */
  readonly after: { readonly at: Instant; readonly id: string } | null;
  readonly count: number;
}

/** Returns one page of events, oldest first. */
export async function exportAudit({ db }: Transaction, wanted: AuditQuery): Promise<AuditEventsTable[]> {
  const { app_id, workspace_ids, installation, since, until, after, count } = wanted;
  let query = db.selectFrom("audit_events").select(COLUMNS).where("at", ">=", since).where("at", "<", until);
  if (workspace_ids !== null)
    query = query.where((where) =>
      where.or([
        ...(workspace_ids.length === 0
          ? []
          : [
              where("workspace_id", "in", workspace_ids),
              // A server of the previous version does not store the workspace.
              where.and([
                where("workspace_id", "is", null),
                where("app_id", "in", (apps) =>
                  apps
                    .selectFrom("apps")
                    .select(sql<string>`apps.id`.as("id"))
                    .where("apps.workspace_id", "in", workspace_ids),
                ),
              ]),
            ]),
        ...(installation ? [where.and([where("workspace_id", "is", null), where("app_id", "=", "")])] : []),
      ]),
    );
  if (app_id !== null) query = query.where("app_id", "=", app_id);
  if (after !== null)
    query = query.where((where) =>
      where.or([where("at", ">", after.at), where.and([where("at", "=", after.at), where("id", ">", after.id)])]),
    );
  return await all(query.orderBy("at").orderBy("id").limit(count));
}
