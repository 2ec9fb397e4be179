/** Deleting an app, or a workspace with its apps. */
import { CodedError } from "../../core/errors.ts";
import type { AppId, WorkspaceId } from "../../core/types.ts";
import type { Transaction } from "../../store/operation.ts";
import { deleteApp, listApps } from "../../store/queries/apps.ts";
import { enqueue } from "../../store/queries/outbox.ts";
import { deleteWorkspace } from "../../store/queries/workspaces.ts";
import { existingApp } from "../access/authorization.ts";
import type { AppsDeps } from "./types.ts";

/** @throws CodedError `not_found` */
export async function removeApp(deps: AppsDeps, app_id: AppId): Promise<void> {
  await existingApp(deps.store, app_id);
  await removeApps(deps, [app_id], async () => {});
}

/** @throws CodedError `workspace_not_empty` */
export async function removeWorkspace(deps: AppsDeps, workspace_id: WorkspaceId, with_apps: boolean): Promise<void> {
  const apps = await deps.store.listApps(workspace_id);
  if (apps.length > 0 && !with_apps) throw new CodedError("workspace_not_empty");
  const app_ids = apps.map((app) => app.id);
  await removeApps(deps, app_ids, async (tx) => {
    // An app created meanwhile would be left without a workspace.
    const left = await listApps(tx, workspace_id);
    if (left.length > 0) throw new CodedError("workspace_not_empty");
    await deleteWorkspace(tx, workspace_id);
  });
  deps.vault.evict(workspace_id);
}

/**
 * Deletes the apps with their data keys and runs `also`, in one transaction. Queues the
 * revocations.
 */
async function removeApps(
  { store, vault, revocations, cache, credentials }: AppsDeps,
  app_ids: readonly AppId[],
  also: (tx: Transaction) => Promise<void>,
): Promise<void> {
  const rows = (await Promise.all(app_ids.map((app_id) => store.listConnections(app_id)))).flat();
  const items = await Promise.all(rows.map((row) => revocations.prepare(row)));
  await store.transaction(async (tx) => {
    for (const item of items) if (item !== null) await enqueue(tx, item);
    for (const app_id of app_ids) await deleteApp(tx, app_id);
    await also(tx);
  });
  for (const app_id of app_ids) vault.evict(app_id);
  for (const row of rows) cache.drop(row);
  credentials.clear();
  await store.purge();
}
