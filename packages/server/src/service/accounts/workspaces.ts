/**
 * Workspaces: name, plan, members and invitations. The account library creates their rows.
 * members.ts enforces two rules, because each needs a transaction that the library cannot give. No
 * member gives or changes a role above their own, and the last owner stays. Does not check roles:
 * access/authorization.ts does.
 *
 * Errors: CodedError `not_found`, `insufficient_role`, `last_owner`, `limit_reached`,
 * `invitation_invalid`, `invalid_name`, `invalid_email`.
 */
import { CodedError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import type { Plan, Role } from "../../core/roles.ts";
import type { UserId, WorkspaceId } from "../../core/types.ts";
import type { InstallationSharing, Member } from "../../store/queries/workspaces.ts";
import type { WorkspacesTable } from "../../store/tables.ts";
import type { Credentials } from "../access/credentials.ts";
import type { Ground } from "../ground.ts";
import type { Accounts } from "./accounts.ts";
import {
  acceptInvitation,
  invite,
  listInvitations,
  revokeInvitation,
  viewInvitation,
  type CreatedInvitation,
  type InvitationSummary,
  type InvitationView,
  type NewInvitation,
} from "./invitations.ts";
import { setMemberRole, transfer } from "./members.ts";

export type { InvitationSummary, InvitationView };

/**
 * The risk that an operator accepts by letting other owners' workspaces use the installation's
 * OAuth clients.
 */
export const SHARING_RISK =
  "Its members can then ask users for consent in the name of your OAuth clients. Misuse of the tokens counts against your registrations: a provider that blocks a client for one workspace blocks it for all of them. A user who agreed once is often not asked again, no matter which workspace uses the client next. Prefer an OAuth client of the workspace's own.";

export interface Workspaces {
  create(name: string, owner: UserId): Promise<WorkspacesTable>;
  get(id: WorkspaceId): Promise<WorkspacesTable>;
  rename(id: WorkspaceId, name: string): Promise<void>;
  setPlan(id: WorkspaceId, plan: Plan): Promise<void>;
  members(id: WorkspaceId): Promise<readonly Member[]>;
  /** `role: null` removes the member. `by` is the caller's own role. */
  setRole(id: WorkspaceId, user_id: UserId, role: Role | null, by: Role): Promise<void>;
  /** Makes `to` an owner and `from` an admin. */
  transfer(id: WorkspaceId, from: UserId | null, to: UserId): Promise<void>;
  /** Reports whether the installation's OAuth clients serve the workspace. */
  clientSharing(id: WorkspaceId): Promise<InstallationSharing>;
  /** Allows or forbids it for new consents. Existing connections keep their OAuth client. */
  shareClients(id: WorkspaceId, allowed: boolean): Promise<InstallationSharing>;
  /** Returns the link, which is shown only once. */
  invite(id: WorkspaceId, invitation: NewInvitation): Promise<CreatedInvitation>;
  invitations(id: WorkspaceId): Promise<readonly InvitationSummary[]>;
  revokeInvitation(id: WorkspaceId, invitation_id: string): Promise<void>;
  viewInvitation(token: string): Promise<InvitationView>;
  accept(token: string, user_id: UserId): Promise<InvitationView>;
}

export interface WorkspacesDeps extends Pick<Ground, "store" | "urls" | "clock" | "limits" | "functions_url"> {
  readonly accounts: Pick<Accounts, "createWorkspace">;
  readonly credentials: Pick<Credentials, "clear">;
}

export function createWorkspaces(deps: WorkspacesDeps): Workspaces {
  const { store } = deps;
  return {
    create: (name, owner) => create(deps, name, owner),
    get: (id) => get(deps, id),
    rename: (id, name) => rename(deps, id, name),
    setPlan: (id, plan) => setPlan(deps, id, plan),
    members: (id) => store.listMembers(id),
    setRole: (id, user_id, role, by) => setMemberRole(deps, id, user_id, role, by),
    transfer: (id, from, to) => transfer(deps, id, from, to),
    clientSharing: (id) => store.installationSharing(id),
    shareClients: (id, allowed) => shareClients(deps, id, allowed),
    invite: (id, invitation) => invite(deps, id, invitation),
    invitations: (id) => listInvitations(deps, id),
    revokeInvitation: (id, invitation_id) => revokeInvitation(deps, id, invitation_id),
    viewInvitation: (token) => viewInvitation(deps, token),
    accept: (token, user_id) => acceptInvitation(deps, token, user_id),
  };
}

async function create(deps: WorkspacesDeps, typed_name: string, owner: UserId): Promise<WorkspacesTable> {
  const { store, limits, accounts } = deps;
  const name = checkName(typed_name);
  if ((await store.countWorkspaces()) > 0) requireOwnOrigins(deps);
  if ((await store.membershipsOf(owner)).length >= limits.workspaces_per_user) {
    const message = `An account can be in at most ${limits.workspaces_per_user} workspaces.`;
    throw new CodedError("limit_reached", { message });
  }
  return await get(deps, await accounts.createWorkspace(name, owner));
}

/**
 * Refuses a further workspace if its functions would share their origin with those of other owners.
 *
 * @throws CodedError `functions_url_shared`
 */
function requireOwnOrigins({ functions_url }: Pick<Ground, "functions_url">): void {
  if (functions_url !== null && !functions_url.is_per_app) throw new CodedError("functions_url_shared");
}

async function get({ store }: WorkspacesDeps, id: WorkspaceId): Promise<WorkspacesTable> {
  const workspace = await store.getWorkspace(id);
  if (workspace === null) throw noSuchWorkspace();
  return workspace;
}

async function rename({ store }: WorkspacesDeps, id: WorkspaceId, name: string): Promise<void> {
  if (!(await store.renameWorkspace(id, checkName(name)))) throw noSuchWorkspace();
}

async function setPlan({ store, credentials }: WorkspacesDeps, id: WorkspaceId, plan: Plan): Promise<void> {
  const is_changed = await store.setPlan(id, plan);
  credentials.clear();
  if (!is_changed) throw noSuchWorkspace();
}

async function shareClients(
  { store }: WorkspacesDeps,
  id: WorkspaceId,
  allowed: boolean,
): Promise<InstallationSharing> {
  await store.shareInstallationClients(id, allowed);
  return await store.installationSharing(id);
}

function noSuchWorkspace(): CodedError {
  return new CodedError("not_found", { message: "There is no such workspace." });
}
