/**
 * Authorization: compares the caller's role in a workspace with the least role for the action
 * (actions.ts). Every route for builders goes through here. The role is looked up at each use, so a
 * credential never allows more than its user's current role. To a non-member, a workspace or app
 * looks like it does not exist. Must not know how a caller authenticates: credentials.ts does.
 *
 * Errors: CodedError `not_found`, `insufficient_role`.
 */
import { CodedError } from "../../core/errors.ts";
import { capped, type Role } from "../../core/roles.ts";
import type { AppId, WorkspaceId } from "../../core/types.ts";
import type { Membership } from "../../store/queries/workspaces.ts";
import type { Store } from "../../store/store.ts";
import type { AppRow } from "../../store/tables.ts";
import type { Ground } from "../ground.ts";
import { requireRole, type Action } from "./actions.ts";
import type { Principal } from "./principals.ts";

export type { Membership };

export interface Authorization {
  /** Returns null when the workspace does not exist for the principal. */
  roleIn(principal: Principal, workspace_id: WorkspaceId): Promise<Role | null>;
  /** Returns the principal's role. Throws when it does not allow the action. */
  require(principal: Principal, workspace_id: WorkspaceId, action: Action): Promise<Role>;
  /** Returns the app. Throws when the principal is not allowed to do the action. */
  app(principal: Principal, app_id: AppId, action: Action): Promise<AppRow>;
  /** Returns the workspaces that the principal can see, with its role in each. */
  workspaces(principal: Principal): Promise<readonly Membership[]>;
  /** Refuses API keys and read-only logins, for actions of a user rather than of a workspace. */
  requireSignedIn(principal: Principal): void;
  /**
   * Requires the role in the first workspace, whose members decide about the whole installation.
   */
  installation(principal: Principal, action: Action): Promise<void>;
}

type AuthorizationDeps = Pick<Ground, "store">;

export function createAuthorization(deps: AuthorizationDeps): Authorization {
  return {
    roleIn: (principal, workspace_id) => roleIn(deps, principal, workspace_id),
    require: (principal, workspace_id, action) => requireIn(deps, principal, workspace_id, action),
    app: (principal, app_id, action) => requireOnApp(deps, principal, app_id, action),
    workspaces: (principal) => visibleWorkspaces(deps, principal),
    requireSignedIn,
    installation: (principal, action) => requireOnInstallation(deps, principal, action),
  };
}

async function roleIn(
  { store }: AuthorizationDeps,
  principal: Principal,
  workspace_id: WorkspaceId,
): Promise<Role | null> {
  if (principal.kind === "installation") return "owner";
  const { user_id, scope } = principal;
  if (principal.workspace_id !== null && principal.workspace_id !== workspace_id) return null;
  const role = user_id === null ? "owner" : await store.roleOf(user_id, workspace_id);
  return role === null || scope === null ? role : capped(role, scope);
}

async function requireIn(
  deps: AuthorizationDeps,
  principal: Principal,
  workspace_id: WorkspaceId,
  action: Action,
): Promise<Role> {
  const role = await roleIn(deps, principal, workspace_id);
  if (role === null) throw new CodedError("not_found", { message: "There is no such workspace." });
  requireRole(role, action);
  return role;
}

async function requireOnApp(
  deps: AuthorizationDeps,
  principal: Principal,
  app_id: AppId,
  action: Action,
): Promise<AppRow> {
  const app = await deps.store.getApp(app_id);
  const role = app === null ? null : await roleIn(deps, principal, app.workspace_id);
  if (app === null || role === null) throw noSuchApp();
  requireRole(role, action);
  return app;
}

async function requireOnInstallation(deps: AuthorizationDeps, principal: Principal, action: Action): Promise<void> {
  const workspace_id = await deps.store.findDefaultWorkspace();
  const role = workspace_id === null ? null : await roleIn(deps, principal, workspace_id);
  if (role !== null) return requireRole(role, action);
  const message = "This affects the whole installation. Only members of its first workspace can do it.";
  throw new CodedError("insufficient_role", { message });
}

async function visibleWorkspaces(deps: AuthorizationDeps, principal: Principal): Promise<readonly Membership[]> {
  if (principal.kind === "installation" || principal.user_id === null) return await allWorkspaces(deps, principal);
  const { user_id, scope, workspace_id } = principal;
  const rows = await deps.store.membershipsOf(user_id);
  return rows
    .filter((row) => workspace_id === null || row.id === workspace_id)
    .map((row) => ({ ...row, role: scope === null ? row.role : capped(row.role, scope) }));
}

/** Returns the workspaces of a principal that has no user, and so no memberships. */
async function allWorkspaces(deps: AuthorizationDeps, principal: Principal): Promise<readonly Membership[]> {
  const only = principal.kind === "builder" ? principal.workspace_id : null;
  const rows = (await deps.store.listWorkspaces()).filter((row) => only === null || row.id === only);
  return await Promise.all(
    rows.map(async (row) => ({ ...row, role: (await roleIn(deps, principal, row.id)) ?? "viewer" })),
  );
}

function requireSignedIn(principal: Principal): void {
  if (principal.kind === "installation" || (principal.workspace_id === null && principal.scope === null)) return;
  throw new CodedError("insufficient_role", { message: "This needs a user who is signed in, not an API key." });
}

function noSuchApp(): CodedError {
  return new CodedError("not_found", { message: "There is no such app. holdfast apps list shows all." });
}

/**
 * Returns the app for a caller whose rights are already checked.
 *
 * @throws CodedError `not_found`
 */
export async function existingApp({ getApp }: Pick<Store, "getApp">, app_id: AppId): Promise<AppRow> {
  const app = await getApp(app_id);
  if (app === null) throw noSuchApp();
  return app;
}
