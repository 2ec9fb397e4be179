/** The apps and workspaces that a builder can use. */
import { CodedError } from "../../core/errors.ts";
import { asWorkspaceId } from "../../core/ids.ts";
import { roleReaches } from "../../core/roles.ts";
import type { WorkspaceId } from "../../core/types.ts";
import { ACTIONS } from "../../service/access/actions.ts";
import type { BuilderPrincipal } from "../../service/access/principals.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import type { HttpContext } from "../context.ts";

/** Returns the apps of all workspaces that the builder is a member of. */
export async function appsOf(
  { apps, authorization }: HttpContext,
  builder: BuilderPrincipal,
): Promise<readonly AppRow[]> {
  const workspaces = await authorization.workspaces(builder);
  return (await Promise.all(workspaces.map(({ id }) => apps.list(id)))).flat();
}

/**
 * Returns the workspace for a new app: the named one, the credential's own, or the first in which
 * the builder can create apps.
 *
 * @throws CodedError `not_found` when the builder is in no workspace
 */
export async function workspaceForApps(
  { authorization }: HttpContext,
  builder: BuilderPrincipal,
  named: string | undefined,
): Promise<WorkspaceId> {
  if (named !== undefined) return asWorkspaceId(named);
  if (builder.workspace_id !== null) return builder.workspace_id;
  const all = await authorization.workspaces(builder);
  const workspace = all.find(({ role }) => roleReaches(role, ACTIONS["app.create"])) ?? all[0];
  if (workspace === undefined) throw new CodedError("not_found", { message: "You are in no workspace." });
  return workspace.id;
}
