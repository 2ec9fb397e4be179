/** Workspaces, who is in them with which role, and who is invited. At least one owner stays in each. */
import { roleReaches, type Plan, type Role } from "../../core/roles.ts";
import { sql } from "kysely";
import type { Instant, UserId, WorkspaceId } from "../../core/types.ts";
import { all, first, run, type Operation, type Transaction } from "../operation.ts";
import type { InvitationsTable, WorkspacesTable } from "../tables.ts";
import { requireWorkspace } from "./apps.ts";
import { deleteSetting, getSetting, putSetting } from "./system.ts";

const COLUMNS = ["id", "name", "created_at", "plan", "slug"] as const;
const INVITATION_COLUMNS = [
  "id",
  "workspace_id",
  "token_hash",
  "email",
  "role",
  "invited_by",
  "created_at",
  "expires_at",
  "used_at",
] as const;

/**
 * The installation's own workspace, which decides on what concerns all of them. Noted by its id: were it simply the oldest
 * one, deleting it would hand the installation to the next team.
 */
const DEFAULT_SETTING = "default_workspace";

/** Makes it where there is none, or none any more. */
export function* defaultWorkspace(tx: Transaction, id: WorkspaceId, plan: Plan): Operation<WorkspaceId> {
  const { db, now } = tx;
  const known = yield* findDefaultWorkspace(tx);
  if (known !== null) return known;
  yield* run(db.insertInto("workspaces").values({ id, name: "default", created_at: now, plan, slug: id }));
  yield* putSetting(tx, DEFAULT_SETTING, id);
  return id;
}

export function* findDefaultWorkspace({ db }: Transaction): Operation<WorkspaceId | null> {
  const found = yield* first(
    db
      .selectFrom("workspaces")
      .innerJoin("settings", (join) =>
        join.onRef("settings.value", "=", sql<string>`workspaces.id`).on("settings.name", "=", DEFAULT_SETTING),
      )
      .select("workspaces.id"),
  );
  return found?.id ?? null;
}

/** Noted of a workspace that has other owners than the installation's own one, and may use the installation's clients. */
const sharingSetting = (id: WorkspaceId): string => `installation_clients/${id}`;

export function* shareInstallationClients(tx: Transaction, id: WorkspaceId, allowed: boolean): Operation<void> {
  yield* requireWorkspace(tx, id);
  yield* allowed ? putSetting(tx, sharingSetting(id), "allowed") : deleteSetting(tx, sharingSetting(id));
}

/** Whether the installation's OAuth clients serve a workspace, and why. */
export interface InstallationSharing {
  readonly serves: boolean;
  /** An operator said so. */
  readonly allowed: boolean;
  /** Nobody owns the workspace who does not own the installation's own one, too. */
  readonly same_owners: boolean;
}

export function* installationSharing(tx: Transaction, id: WorkspaceId): Operation<InstallationSharing> {
  const allowed = (yield* getSetting(tx, sharingSetting(id))) !== null;
  const home = yield* findDefaultWorkspace(tx);
  const owners = home === null ? [] : yield* ownersOf(tx, home);
  const strangers = (yield* ownersOf(tx, id)).filter((owner) => !owners.includes(owner));
  const same_owners = strangers.length === 0;
  return { serves: allowed || same_owners, allowed, same_owners };
}

function* ownersOf({ db }: Transaction, id: WorkspaceId): Operation<UserId[]> {
  const rows = yield* all(
    db.selectFrom("auth_member").select("user_id").where("workspace_id", "=", id).where("role", "=", "owner"),
  );
  return rows.map(({ user_id }) => user_id);
}

export function* getWorkspace({ db }: Transaction, id: WorkspaceId): Operation<WorkspacesTable | null> {
  return yield* first(db.selectFrom("workspaces").select(COLUMNS).where("id", "=", id));
}

export function* listWorkspaces({ db }: Transaction): Operation<WorkspacesTable[]> {
  return yield* all(db.selectFrom("workspaces").select(COLUMNS).orderBy("created_at").orderBy("id"));
}

export interface Membership extends WorkspacesTable {
  readonly role: Role;
}

export function* membershipsOf({ db }: Transaction, user_id: UserId): Operation<Membership[]> {
  return yield* all(
    db
      .selectFrom("auth_member")
      .innerJoin("workspaces", "workspaces.id", "auth_member.workspace_id")
      .select([
        "workspaces.id",
        "workspaces.name",
        "workspaces.created_at",
        "workspaces.plan",
        "workspaces.slug",
        "auth_member.role",
      ])
      .where("auth_member.user_id", "=", user_id)
      .orderBy("workspaces.created_at")
      .orderBy("workspaces.id"),
  );
}

export function* roleOf({ db }: Transaction, user_id: UserId, workspace_id: WorkspaceId): Operation<Role | null> {
  const member = yield* first(
    db.selectFrom("auth_member").select("role").where("user_id", "=", user_id).where("workspace_id", "=", workspace_id),
  );
  return member?.role ?? null;
}

export function* renameWorkspace({ db }: Transaction, id: WorkspaceId, name: string): Operation<boolean> {
  return (yield* run(db.updateTable("workspaces").set({ name }).where("id", "=", id))) === 1;
}

/** Touches the apps, too: with their credentials caches hold the plan, and a write to `apps` is what they hear of. */
export function* setPlan({ db, now }: Transaction, id: WorkspaceId, plan: Plan): Operation<boolean> {
  if ((yield* run(db.updateTable("workspaces").set({ plan }).where("id", "=", id))) !== 1) return false;
  yield* run(db.updateTable("apps").set({ updated_at: now }).where("workspace_id", "=", id));
  return true;
}

/** What belongs to no app of it, its data key first. The apps go before. The trail of what was done in it stays. */
export function* deleteWorkspace(tx: Transaction, id: WorkspaceId): Operation<boolean> {
  const { db } = tx;
  yield* run(db.deleteFrom("data_keys").where("scope", "=", id));
  yield* run(db.deleteFrom("auth_member").where("workspace_id", "=", id));
  yield* run(db.deleteFrom("invitations").where("workspace_id", "=", id));
  yield* run(db.deleteFrom("api_keys").where("workspace_id", "=", id));
  yield* run(db.deleteFrom("oauth_clients").where("workspace_id", "=", id));
  yield* run(db.deleteFrom("governance").where("workspace_id", "=", id));
  yield* deleteSetting(tx, sharingSetting(id));
  return (yield* run(db.deleteFrom("workspaces").where("id", "=", id))) === 1;
}

export interface Member {
  readonly user_id: UserId;
  readonly name: string;
  readonly email: string;
  readonly role: Role;
  readonly created_at: Instant;
}

export function* listMembers({ db }: Transaction, workspace_id: WorkspaceId): Operation<Member[]> {
  return yield* all(
    db
      .selectFrom("auth_member")
      .innerJoin("auth_user", "auth_user.id", "auth_member.user_id")
      .select([
        "auth_member.user_id",
        "auth_user.name",
        "auth_user.email",
        "auth_member.role",
        "auth_member.created_at",
      ])
      .where("auth_member.workspace_id", "=", workspace_id)
      .orderBy("auth_member.created_at")
      .orderBy("auth_member.id"),
  );
}

/**
 * `last_owner`: nobody would be left who may delete or hand over the workspace. `above_own`: the member has, or would get, a
 * role above that of who asks.
 */
export type MemberChange = "changed" | "last_owner" | "above_own" | "missing";

export function* setRole(
  tx: Transaction,
  workspace_id: WorkspaceId,
  user_id: UserId,
  role: Role | null,
  by: Role,
): Operation<MemberChange> {
  const { db } = tx;
  const members = yield* listMembers(tx, workspace_id);
  const member = members.find((one) => one.user_id === user_id);
  if (member === undefined) return "missing";
  if (!roleReaches(by, member.role) || !roleReaches(by, role ?? "viewer")) return "above_own";
  const others = members.filter((one) => one.user_id !== user_id);
  if (role !== "owner" && !others.some((one) => one.role === "owner")) return "last_owner";
  if (role === null) {
    yield* run(db.deleteFrom("auth_member").where("workspace_id", "=", workspace_id).where("user_id", "=", user_id));
  } else {
    yield* run(
      db
        .updateTable("auth_member")
        .set({ role })
        .where("workspace_id", "=", workspace_id)
        .where("user_id", "=", user_id),
    );
  }
  return "changed";
}

export function* createInvitation(
  { db, now }: Transaction,
  invitation: Omit<InvitationsTable, "created_at" | "used_at">,
): Operation<void> {
  yield* run(db.insertInto("invitations").values({ ...invitation, created_at: now, used_at: null }));
}

/** The open invitation of a link, with the workspace's name. */
export function* findInvitation(
  { db, now }: Transaction,
  token_hash: string,
): Operation<(InvitationsTable & { readonly workspace_name: string }) | null> {
  return yield* first(
    db
      .selectFrom("invitations")
      .innerJoin("workspaces", "workspaces.id", "invitations.workspace_id")
      .select(INVITATION_COLUMNS.map((column) => `invitations.${column}` as const))
      .select("workspaces.name as workspace_name")
      .where("token_hash", "=", token_hash)
      .where("used_at", "is", null)
      .where("expires_at", ">", now),
  );
}

export function* listInvitations({ db, now }: Transaction, workspace_id: WorkspaceId): Operation<InvitationsTable[]> {
  return yield* all(
    db
      .selectFrom("invitations")
      .select(INVITATION_COLUMNS)
      .where("workspace_id", "=", workspace_id)
      .where("used_at", "is", null)
      .where("expires_at", ">", now)
      .orderBy("created_at")
      .orderBy("id"),
  );
}

export function* deleteInvitation({ db }: Transaction, workspace_id: WorkspaceId, id: string): Operation<boolean> {
  return (yield* run(db.deleteFrom("invitations").where("workspace_id", "=", workspace_id).where("id", "=", id))) === 1;
}

/** Uses the invitation up and lets the user in, as one; null when it is used, over or unknown. Who is in keeps the role. */
export function* acceptInvitation(
  tx: Transaction,
  token_hash: string,
  user_id: UserId,
  member_id: string,
): Operation<InvitationsTable | null> {
  const { db, now } = tx;
  const invitation = yield* findInvitation(tx, token_hash);
  if (invitation === null) return null;
  const used = yield* run(
    db.updateTable("invitations").set({ used_at: now }).where("id", "=", invitation.id).where("used_at", "is", null),
  );
  if (used !== 1) return null;
  const { workspace_id, role } = invitation;
  if ((yield* roleOf(tx, user_id, workspace_id)) === null)
    yield* run(db.insertInto("auth_member").values({ id: member_id, workspace_id, user_id, role, created_at: now }));
  return invitation;
}
