/**
 * Workspaces, their members and invitations. An invitation is a one-time link for one e-mail address and role; whoever opens
 * it makes an account with that address, or joins with the one that is signed in. Nobody gives a role above their own, nor
 * changes somebody who has one; the last owner stays. Membership rows are the account library's; those two rules need one
 * transaction each, which the library cannot give, so they are written here.
 *
 * Errors: ApiError `not_found`, `insufficient_role`, `last_owner`, `invitation_invalid`, `invalid_name`, `invalid_email`.
 */
import { ApiError } from "../../core/errors.ts";
import { newId, randomToken } from "../../core/ids.ts";
import { roleReaches, type Plan, type Role } from "../../core/roles.ts";
import { sha256Hex } from "../../core/secret.ts";
import { plus, type UserId, type WorkspaceId } from "../../core/types.ts";
import { setRole, type InstallationSharing, type Member, type MemberChange } from "../../store/queries/workspaces.ts";
import type { InvitationsTable } from "../../store/account-tables.ts";
import type { WorkspacesTable } from "../../store/tables.ts";
import type { Accounts } from "./accounts.ts";
import { checkEmail, checkName } from "../../core/names.ts";
import type { Ground } from "../ground.ts";
import type { Credentials } from "../access/credentials.ts";

const LINK_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** What an operator takes on who lets workspaces of other owners use the installation's OAuth clients. */
export const SHARING_RISK =
  "Its members then ask people for consent in the name of your OAuth clients. What they do with the tokens counts against your registrations: a provider that blocks a client for one workspace blocks it for all of them, and whoever agreed once is often not asked again, in whichever workspace the client is used next. Prefer a client of the workspace's own.";

/** Without what lets in. */
export type InvitationSummary = Omit<InvitationsTable, "token_hash" | "used_at" | "workspace_id">;

export interface InvitationView {
  readonly workspace_id: WorkspaceId;
  readonly workspace_name: string;
  readonly email: string;
  readonly role: Role;
}

export interface NewInvitation {
  readonly email: string;
  readonly role: Role;
  /** The actor's own role, which is the most that can be given. */
  readonly by: Role;
  readonly actor: string;
}

export interface Workspaces {
  create(name: string, owner: UserId): Promise<WorkspacesTable>;
  get(id: WorkspaceId): Promise<WorkspacesTable>;
  rename(id: WorkspaceId, name: string): Promise<void>;
  setPlan(id: WorkspaceId, plan: Plan): Promise<void>;
  members(id: WorkspaceId): Promise<readonly Member[]>;
  /** Null: out. */
  setRole(id: WorkspaceId, user_id: UserId, role: Role | null, by: Role): Promise<void>;
  /** The other one is an owner then, and `from` an administrator. */
  transfer(id: WorkspaceId, from: UserId | null, to: UserId): Promise<void>;
  /** Whether the installation's OAuth clients serve the workspace. */
  clientSharing(id: WorkspaceId): Promise<InstallationSharing>;
  /** An operator's word, for new consents: connections that were made keep their client. */
  shareClients(id: WorkspaceId, allowed: boolean): Promise<InstallationSharing>;
  /** The link is shown this once. */
  invite(id: WorkspaceId, invitation: NewInvitation): Promise<{ readonly id: string; readonly invitation_url: string }>;
  invitations(id: WorkspaceId): Promise<readonly InvitationSummary[]>;
  takeBack(id: WorkspaceId, invitation_id: string): Promise<void>;
  viewInvitation(token: string): Promise<InvitationView>;
  accept(token: string, user_id: UserId): Promise<InvitationView>;
}

export interface WorkspacesDeps extends Pick<Ground, "store" | "urls" | "clock" | "limits"> {
  readonly accounts: Pick<Accounts, "createWorkspace">;
  readonly credentials: Pick<Credentials, "clear">;
}

export function createWorkspaces(deps: WorkspacesDeps): Workspaces {
  const { store, urls, clock, limits, accounts, credentials } = deps;

  async function get(id: WorkspaceId): Promise<WorkspacesTable> {
    const workspace = await store.getWorkspace(id);
    if (workspace === null) throw noSuchWorkspace();
    return workspace;
  }

  async function viewInvitation(token: string): Promise<InvitationView> {
    const found = LINK_PATTERN.test(token) ? await store.findInvitation(sha256Hex(token)) : null;
    if (found === null) throw new ApiError("invitation_invalid");
    const { workspace_id, workspace_name, email, role } = found;
    return { workspace_id, workspace_name, email, role };
  }

  return {
    async create(given, owner) {
      const name = checkName(given);
      if ((await store.membershipsOf(owner)).length >= limits.workspaces_per_user)
        throw new ApiError("limit_reached", {
          message: `One account has at most ${limits.workspaces_per_user} workspaces.`,
        });
      return get(await accounts.createWorkspace(name, owner));
    },
    get,
    async rename(id, name) {
      if (!(await store.renameWorkspace(id, checkName(name)))) throw noSuchWorkspace();
    },
    async setPlan(id, plan) {
      const changed = await store.setPlan(id, plan);
      credentials.clear();
      if (!changed) throw noSuchWorkspace();
    },
    members: (id) => store.listMembers(id),
    async setRole(id, user_id, role, by) {
      const change = await store.transaction(async (tx) => {
        return await setRole(tx, id, user_id, role, by);
      });
      refuse(change);
    },
    async transfer(id, from, to) {
      const change = await store.transaction(async (tx) => {
        const raised = await setRole(tx, id, to, "owner", "owner");
        return raised !== "changed" || from === null || from === to
          ? raised
          : await setRole(tx, id, from, "admin", "owner");
      });
      refuse(change);
    },
    clientSharing: (id) => store.installationSharing(id),
    async shareClients(id, allowed) {
      await store.shareInstallationClients(id, allowed);
      return store.installationSharing(id);
    },
    async invite(workspace_id, { email, role, by, actor }) {
      if (!roleReaches(by, role)) throw aboveOwn(by);
      const token = randomToken();
      const id = newId("ivt");
      await store.createInvitation({
        id,
        workspace_id,
        token_hash: sha256Hex(token),
        email: checkEmail(email),
        role,
        invited_by: actor,
        expires_at: plus(clock.now(), limits.invitation_ttl_ms),
      });
      return { id, invitation_url: urls.invitation(token) };
    },
    async invitations(id) {
      return (await store.listInvitations(id)).map(summary);
    },
    async takeBack(id, invitation_id) {
      if (!(await store.deleteInvitation(id, invitation_id)))
        throw new ApiError("not_found", { message: "The workspace has no open invitation of that id." });
    },
    viewInvitation,
    async accept(token, user_id) {
      const view = await viewInvitation(token);
      if ((await store.acceptInvitation(sha256Hex(token), user_id, newId("mem"))) === null)
        throw new ApiError("invitation_invalid");
      return view;
    },
  };
}

function refuse(change: MemberChange): void {
  if (change === "changed") return;
  if (change === "last_owner") throw new ApiError("last_owner");
  if (change === "missing") throw new ApiError("not_found", { message: "The workspace has no such member." });
  throw aboveOwn("admin");
}

function aboveOwn(by: Role): ApiError {
  const message = `Nobody gives or changes a role above their own, which is ${by} here.`;
  return new ApiError("insufficient_role", { message });
}

const noSuchWorkspace = (): ApiError => new ApiError("not_found", { message: "There is no such workspace." });

function summary({ id, email, role, invited_by, created_at, expires_at }: InvitationsTable): InvitationSummary {
  return { id, email, role, invited_by, created_at, expires_at };
}
