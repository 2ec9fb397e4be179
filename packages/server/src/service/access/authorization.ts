/**
 * Who may do what: one table of actions with the least role that may, and the look-up of a principal's role in a workspace.
 * Every route of a builder goes through here. Who is in no way connected with a workspace or an app gets the very answer
 * that is given for one which does not exist.
 *
 * Errors: ApiError `not_found`, `insufficient_role`, `plan_upgrade_required`.
 */
import { ApiError } from "../../core/errors.ts";
import { allowsConnectors, capped, roleReaches, type Plan, type Role, type Scope } from "../../core/roles.ts";
import type { AppId, UserId, WorkspaceId } from "../../core/types.ts";
import type { Membership } from "../../store/queries/workspaces.ts";
import type { AppRow } from "../../store/tables.ts";
import type { Store } from "../../store/store.ts";
import type { Ground } from "../ground.ts";

export type { Membership };

/** The least role for each action. Viewers read; the rest is of those who answer for what it does. */
export const ACTIONS = {
  "workspace.read": "viewer",
  "workspace.leave": "viewer",
  "workspace.rename": "admin",
  "workspace.plan": "admin",
  "workspace.delete": "owner",
  "workspace.transfer": "owner",
  "member.read": "viewer",
  "member.manage": "admin",
  "api_key.manage": "admin",
  "audit.export": "admin",
  "governance.read": "viewer",
  "governance.manage": "admin",
  "oauth_client.read": "viewer",
  "oauth_client.manage": "admin",
  "app.read": "viewer",
  "app.create": "editor",
  "app.rename": "editor",
  "app.functions": "admin",
  "app.delete": "admin",
  "connector.read": "viewer",
  "connector.connect": "editor",
  "connector.disconnect": "editor",
  "function.deploy": "editor",
  "service_token.read": "viewer",
  "service_token.manage": "editor",
} as const satisfies Record<string, Role>;

export type Action = keyof typeof ACTIONS;

/** Somebody, or a program of somebody's, who edits apps. */
export interface BuilderPrincipal {
  readonly kind: "builder";
  /** Null: a key that was made on the server's machine before anybody had an account. */
  readonly user_id: UserId | null;
  /** Names the credential in the audit trail. */
  readonly actor: string;
  /** The one workspace that the credential is for; null: all that its user is in. */
  readonly workspace_id: WorkspaceId | null;
  /** What the credential may do at most; null: what its user may. */
  readonly scope: Scope | null;
}

/** A command on the server's own machine: whoever runs it holds the database and the keys. */
export interface InstallationPrincipal {
  readonly kind: "installation";
  readonly user_id: null;
  readonly actor: "command";
}

export type Principal = BuilderPrincipal | InstallationPrincipal;

export const COMMAND: InstallationPrincipal = { kind: "installation", user_id: null, actor: "command" };

export interface Authorization {
  /** Null: not there, as far as the principal is concerned. */
  roleIn(principal: Principal, workspace_id: WorkspaceId): Promise<Role | null>;
  /** @returns the principal's role, which is enough */
  require(principal: Principal, workspace_id: WorkspaceId, action: Action): Promise<Role>;
  app(principal: Principal, app_id: AppId, action: Action): Promise<AppRow>;
  /** The workspaces that the principal may see, with its role in each. */
  workspaces(principal: Principal): Promise<readonly Membership[]>;
  /** What belongs to a person and not to a workspace takes a credential that is not bound to one, and may write. */
  free(principal: Principal): void;
  /** What concerns the whole installation is up to its first workspace. */
  installation(principal: Principal, action: Action): Promise<void>;
}

export function createAuthorization({ store }: Pick<Ground, "store">): Authorization {
  async function roleIn(principal: Principal, workspace_id: WorkspaceId): Promise<Role | null> {
    if (principal.kind === "installation") return "owner";
    const { user_id, scope } = principal;
    if (principal.workspace_id !== null && principal.workspace_id !== workspace_id) return null;
    // Looked up at each use: a key is never worth more than its maker is now.
    const role = user_id === null ? "owner" : await store.roleOf(user_id, workspace_id);
    return role === null || scope === null ? role : capped(role, scope);
  }

  async function require(principal: Principal, workspace_id: WorkspaceId, action: Action): Promise<Role> {
    const role = await roleIn(principal, workspace_id);
    if (role === null) throw new ApiError("not_found", { message: "There is no such workspace." });
    checkRole(role, action);
    return role;
  }

  return {
    roleIn,
    require,
    async app(principal, app_id, action) {
      const app = await store.getApp(app_id);
      const role = app === null ? null : await roleIn(principal, app.workspace_id);
      if (app === null || role === null) throw noSuchApp();
      checkRole(role, action);
      return app;
    },
    async workspaces(principal) {
      if (principal.kind === "installation" || principal.user_id === null) {
        const rows = await store.listWorkspaces();
        const only = principal.kind === "builder" ? principal.workspace_id : null;
        const visible = only === null ? rows : rows.filter((row) => row.id === only);
        return Promise.all(
          visible.map(async (row) => ({ ...row, role: (await roleIn(principal, row.id)) ?? "viewer" })),
        );
      }
      const { scope, workspace_id } = principal;
      const rows = await store.membershipsOf(principal.user_id);
      return rows
        .filter((row) => workspace_id === null || row.id === workspace_id)
        .map((row) => ({ ...row, role: scope === null ? row.role : capped(row.role, scope) }));
    },
    free(principal) {
      if (principal.kind === "installation" || (principal.workspace_id === null && principal.scope === null)) return;
      throw new ApiError("insufficient_role", { message: "That takes a person who is signed in, not an API key." });
    },
    async installation(principal, action) {
      const workspace_id = await store.findDefaultWorkspace();
      const role = workspace_id === null ? null : await roleIn(principal, workspace_id);
      if (role !== null) return checkRole(role, action);
      const message = "That concerns the whole installation. It is up to the members of its first workspace.";
      throw new ApiError("insufficient_role", { message });
    },
  };
}

function checkRole(role: Role, action: Action): void {
  const least = ACTIONS[action];
  if (roleReaches(role, least)) return;
  const message = `That takes the role ${least} in the workspace; here it is ${role}. For an API key it is at most what its scope allows.`;
  throw new ApiError("insufficient_role", { message });
}

/** @throws ApiError `plan_upgrade_required` */
export function requireConnectors(plan: Plan): void {
  if (allowsConnectors(plan)) return;
  const message = `The workspace has the plan ${plan}. Connectors need the plan builder or a higher one; an administrator of the workspace can change it.`;
  throw new ApiError("plan_upgrade_required", { message });
}

export const noSuchApp = (): ApiError =>
  new ApiError("not_found", { message: "There is no such app. holdfast apps list shows all." });

/** Returns the app, for a caller whose rights are checked already. @throws ApiError `not_found` */
export async function existingApp({ getApp }: Pick<Store, "getApp">, app_id: AppId): Promise<AppRow> {
  const app = await getApp(app_id);
  if (app === null) throw noSuchApp();
  return app;
}
