/**
 * Workspaces, their members with roles, and invitations. Each workspace keeps at least one owner.
 */
import { roleReaches, type Plan, type Role } from "../../core/roles.ts";
import { sql } from "kysely";
import type { Instant, UserId, WorkspaceId } from "../../core/types.ts";
import { all, first, idsOf, run, type Transaction } from "../operation.ts";
import type { InvitationsTable } from "../account-tables.ts";
import type { WorkspacesTable } from "../tables.ts";
import { requireWorkspace } from "./owners.ts";
import { deleteSetting, putSetting } from "./system.ts";

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
 * The installation's own workspace, which decides about the whole installation. Stored by its id:
 * if it were the oldest workspace, deleting it would give the installation to the next team.
 */
const DEFAULT_SETTING = "default_workspace";

/** Returns the installation's own workspace. Creates it if there is none. */
export async function defaultWorkspace(tx: Transaction, id: WorkspaceId, plan: Plan): Promise<WorkspaceId> {
  const { db, now } = tx;
  const known = await findDefaultWorkspace(tx);
  if (known !== null) return known;
  await run(db.insertInto("workspaces").values({ id, name: "default", created_at: now, plan, slug: id }));
  await putSetting(tx, DEFAULT_SETTING, id);
  return id;
}

export async function countWorkspaces({ db }: Transaction): Promise<number> {
  const row = await first(db.selectFrom("workspaces").select(({ fn }) => fn.countAll<number | string>().as("count")));
  return Number(row?.count ?? 0);
}

export async function findDefaultWorkspace({ db }: Transaction): Promise<WorkspaceId | null> {
  const found = await first(
    db
      .selectFrom("workspaces")
      .innerJoin("settings", (join) =>
        join.onRef("settings.value", "=", sql<string>`workspaces.id`).on("settings.name", "=", DEFAULT_SETTING),
      )
      .select("workspaces.id"),
  );
  return found?.id ?? null;
}

/**
 * Set for a workspace with other owners that is allowed to use the installation's OAuth clients.
 */
const sharingSetting = (id: WorkspaceId): string => `installation_clients/${id}`;

export async function shareInstallationClients(tx: Transaction, id: WorkspaceId, allowed: boolean): Promise<void> {
  await requireWorkspace(tx, id);
  if (allowed) await putSetting(tx, sharingSetting(id), "allowed");
  else await deleteSetting(tx, sharingSetting(id));
}

/** Whether a workspace can use the installation's OAuth clients, and why. */
export interface InstallationSharing {
  readonly serves: boolean;
  /** An operator allowed it. */
  readonly allowed: boolean;
  /** Every owner of the workspace also owns the installation's own workspace. */
  readonly same_owners: boolean;
}

export async function installationSharing({ db }: Transaction, id: WorkspaceId): Promise<InstallationSharing> {
  const home = db.selectFrom("settings").select("value").where("name", "=", DEFAULT_SETTING);
  const row = await first(
    db.selectNoFrom(({ exists, selectFrom }) => [
      exists(selectFrom("settings").select("name").where("name", "=", sharingSetting(id))).as("allowed"),
      exists(
        selectFrom("auth_member")
          .select("user_id")
          .where("workspace_id", "=", id)
          .where("role", "=", "owner")
          .where((member) =>
            member.not(
              member.exists(
                member
                  .selectFrom("auth_member as at_home")
                  .select("at_home.user_id")
                  .whereRef("at_home.user_id", "=", "auth_member.user_id")
                  .where("at_home.role", "=", "owner")
                  .where(sql<string>`at_home.workspace_id`, "in", home),
              ),
            ),
          ),
      ).as("has_other_owners"),
    ]),
  );
  // SQLite returns 0 or 1.
  const allowed = Boolean(row?.allowed);
  const same_owners = !row?.has_other_owners;
  return { serves: allowed || same_owners, allowed, same_owners };
}

export async function getWorkspace({ db }: Transaction, id: WorkspaceId): Promise<WorkspacesTable | null> {
  return await first(db.selectFrom("workspaces").select(COLUMNS).where("id", "=", id));
}

export async function listWorkspaces({ db }: Transaction): Promise<WorkspacesTable[]> {
  return await all(db.selectFrom("workspaces").select(COLUMNS).orderBy("created_at").orderBy("id"));
}

export interface Membership extends WorkspacesTable {
  readonly role: Role;
}

export async function membershipsOf({ db }: Transaction, user_id: UserId): Promise<Membership[]> {
  return await all(
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

export async function roleOf({ db }: Transaction, user_id: UserId, workspace_id: WorkspaceId): Promise<Role | null> {
  const member = await first(
    db.selectFrom("auth_member").select("role").where("user_id", "=", user_id).where("workspace_id", "=", workspace_id),
  );
  return member?.role ?? null;
}

export async function renameWorkspace({ db }: Transaction, id: WorkspaceId, name: string): Promise<boolean> {
  return (await run(db.updateTable("workspaces").set({ name }).where("id", "=", id))) === 1;
}

/** Changes the plan, and with it `updated_at` of the apps: caches hold the plan with each app. */
export async function setPlan({ db, now, invalidates }: Transaction, id: WorkspaceId, plan: Plan): Promise<boolean> {
  if ((await run(db.updateTable("workspaces").set({ plan }).where("id", "=", id))) !== 1) return false;
  const apps = await all(
    db.updateTable("apps").set({ updated_at: now }).where("workspace_id", "=", id).returning("id"),
  );
  invalidates("apps", idsOf(apps));
  return true;
}

/**
 * Deletes a workspace with its data key and everything that belongs to none of its apps. The caller
 * has deleted the apps. The audit trail stays.
 */
export async function deleteWorkspace(tx: Transaction, id: WorkspaceId): Promise<boolean> {
  const { db, invalidates } = tx;
  await run(db.deleteFrom("data_keys").where("scope", "=", id));
  await run(db.deleteFrom("auth_member").where("workspace_id", "=", id));
  await run(db.deleteFrom("invitations").where("workspace_id", "=", id));
  invalidates("api_keys", idsOf(await all(db.deleteFrom("api_keys").where("workspace_id", "=", id).returning("id"))));
  invalidates(
    "oauth_clients",
    idsOf(await all(db.deleteFrom("oauth_clients").where("workspace_id", "=", id).returning("id"))),
  );
  await run(db.deleteFrom("governance").where("workspace_id", "=", id));
  await deleteSetting(tx, sharingSetting(id));
  return (await run(db.deleteFrom("workspaces").where("id", "=", id))) === 1;
}

export interface Member {
  readonly user_id: UserId;
  readonly name: string;
  readonly email: string;
  readonly role: Role;
  readonly created_at: Instant;
}

export async function listMembers({ db }: Transaction, workspace_id: WorkspaceId): Promise<Member[]> {
  return await all(
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
 * `last_owner`: the workspace would have no owner left. `above_own`: the member has, or would get,
 * a role above the caller's.
 */
export type MemberChange = "changed" | "last_owner" | "above_own" | "missing";

/** Changes a member's role. `role: null` removes the member. `by` is the caller's role. */
export async function setRole(
  tx: Transaction,
  workspace_id: WorkspaceId,
  user_id: UserId,
  role: Role | null,
  by: Role,
): Promise<MemberChange> {
  const { db } = tx;
  const members = await listMembers(tx, workspace_id);
  const member = members.find((one) => one.user_id === user_id);
  if (member === undefined) return "missing";
  if (!roleReaches(by, member.role) || !roleReaches(by, role ?? "viewer")) return "above_own";
  const others = members.filter((one) => one.user_id !== user_id);
  if (role !== "owner" && !others.some((one) => one.role === "owner")) return "last_owner";
  if (role === null) {
    await run(db.deleteFrom("auth_member").where("workspace_id", "=", workspace_id).where("user_id", "=", user_id));
  } else {
    await run(
      db
        .updateTable("auth_member")
        .set({ role })
        .where("workspace_id", "=", workspace_id)
        .where("user_id", "=", user_id),
    );
  }
  return "changed";
}

export async function createInvitation(
  { db, now }: Transaction,
  invitation: Omit<InvitationsTable, "created_at" | "used_at">,
): Promise<void> {
  await run(db.insertInto("invitations").values({ ...invitation, created_at: now, used_at: null }));
}

/** Returns the open invitation of a link, with the workspace's name. */
export async function findInvitation(
  { db, now }: Transaction,
  token_hash: string,
): Promise<(InvitationsTable & { readonly workspace_name: string }) | null> {
  return await first(
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

export async function listInvitations(
  { db, now }: Transaction,
  workspace_id: WorkspaceId,
): Promise<InvitationsTable[]> {
  return await all(
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

export async function deleteInvitation({ db }: Transaction, workspace_id: WorkspaceId, id: string): Promise<boolean> {
  return (await run(db.deleteFrom("invitations").where("workspace_id", "=", workspace_id).where("id", "=", id))) === 1;
}

/**
 * Uses an invitation and adds the user. A member keeps their current role. Returns null if the
 * invitation is used, expired or unknown.
 */
export async function acceptInvitation(
  tx: Transaction,
  token_hash: string,
  user_id: UserId,
  member_id: string,
): Promise<InvitationsTable | null> {
  const { db, now } = tx;
  const invitation = await findInvitation(tx, token_hash);
  if (invitation === null) return null;
  const used = await run(
    db.updateTable("invitations").set({ used_at: now }).where("id", "=", invitation.id).where("used_at", "is", null),
  );
  if (used !== 1) return null;
  const { workspace_id, role } = invitation;
  if ((await roleOf(tx, user_id, workspace_id)) === null)
    await run(db.insertInto("auth_member").values({ id: member_id, workspace_id, user_id, role, created_at: now }));
  return invitation;
}
