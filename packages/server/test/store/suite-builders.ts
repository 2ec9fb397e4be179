/** Workspaces, members and invitations, and the account library's rows. */
import { describe, expect, it } from "vitest";
import { newId, newUserId, newWorkspaceId } from "../../src/core/ids.ts";
import type { Role } from "../../src/core/roles.ts";
import { plus, type UserId, type WorkspaceId } from "../../src/core/types.ts";
import { deleteWorkspace } from "../../src/store/queries/workspaces.ts";
import type { Store } from "../../src/store/store.ts";
import { appOf, bytes } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

async function account(store: Store, workspace_id: WorkspaceId, role: Role, name: string): Promise<UserId> {
  const id = newUserId();
  const times = { created_at: 1_000, updated_at: 1_000 };
  await store.insertLibraryRow("auth_user", { id, name, email: `${name}@example.com`, email_verified: 0, ...times });
  await store.insertLibraryRow("auth_member", { id: newId("mem"), workspace_id, user_id: id, role, created_at: 1_000 });
  return id;
}

const own = (store: Store) => store.defaultWorkspace(newWorkspaceId(), "builder");

export function describeBuilders(open: OpenStores): void {
  describe("workspaces", () => {
    it("include the installation's own, created by the first call, and again after its deletion", async () => {
      const { store, other } = await open();
      const found = await Promise.all([own(store), own(other), own(store)]);
      expect(new Set(found).size).toBe(1);
      const [id] = found;
      const next = newWorkspaceId();
      await store.insertLibraryRow("workspaces", { id: next, name: "next", slug: next, created_at: 1, plan: "free" });
      expect(await store.findDefaultWorkspace()).toBe(id);
      await store.transaction((tx) => deleteWorkspace(tx, id));
      expect(await store.findDefaultWorkspace()).toBeNull();
      expect([next, id]).not.toContain(await own(store));
    });

    it("are listed for their members, each with its own role", async () => {
      const { store } = await open();
      const first = await own(store);
      const ada = await account(store, first, "owner", "ada");
      const bob = await account(store, first, "viewer", "bob");
      expect(await store.membershipsOf(ada)).toMatchObject([{ id: first, role: "owner", plan: "builder" }]);
      expect(await store.roleOf(bob, first)).toBe("viewer");
      expect(await store.roleOf(bob, newWorkspaceId())).toBeNull();
      expect((await store.listMembers(first)).map(({ email, role }) => `${email} ${role}`).toSorted()).toEqual([
        "ada@example.com owner",
        "bob@example.com viewer",
      ]);
    });

    it("change their plan together with their apps' tokens", async () => {
      const { store, now } = await open();
      const app = await appOf(store);
      await store.createServiceToken(
        { app_id: app.id, id: "token", name: "first", digest: bytes(1), expires_at: null },
        2,
      );
      expect(await store.getServiceToken("token")).toMatchObject({ plan: "builder", functions_enabled: true });
      expect(await store.setPlan(app.workspace_id, "free")).toBe(true);
      expect(await store.changeApp(app, { functions_enabled: false })).toBe(true);
      expect(await store.getServiceToken("token")).toMatchObject({ plan: "free", functions_enabled: false });
      expect(await store.getApp(app.id)).toMatchObject({ plan: "free", functions_enabled: false, updated_at: now() });
      expect(await store.setPlan(newWorkspaceId(), "free")).toBe(false);
    });

    it("refuse two apps with the same name", async () => {
      const { store } = await open();
      const [shop, blog] = [await appOf(store, "shop"), await appOf(store, "blog")];
      expect(await store.changeApp(blog, { name: "shop" })).toBe(false);
      expect(await store.changeApp(shop, { name: "shop" })).toBe(true);
      expect(await store.changeApp(blog, { name: "news" })).toBe(true);
      expect((await store.listApps(shop.workspace_id)).map(({ name }) => name).toSorted()).toEqual(["news", "shop"]);
      expect(await store.listApps(newWorkspaceId())).toEqual([]);
    });

    it("are deleted with everything they own, and nothing of others", async () => {
      const { store, now } = await open();
      const first = await own(store);
      const second = newWorkspaceId();
      await store.insertLibraryRow("workspaces", { id: second, name: "b", slug: second, created_at: 1, plan: "pro" });
      for (const workspace_id of [first, second]) {
        await account(store, workspace_id, "owner", `owner-of-${workspace_id}`);
        await store.createInvitation(invitation(workspace_id, plus(now(), 1_000)));
        const key = { id: workspace_id, workspace_id, user_id: null, scope: "read" as const, name: "key" };
        await store.createApiKey({ ...key, digest: bytes(2), expires_at: null });
      }
      expect(await store.transaction((tx) => deleteWorkspace(tx, first))).toBe(true);
      expect(await store.transaction((tx) => deleteWorkspace(tx, first))).toBe(false);
      const left = async (id: WorkspaceId) => [
        (await store.getWorkspace(id)) === null ? 0 : 1,
        (await store.listMembers(id)).length,
        (await store.listInvitations(id)).length,
        (await store.listApiKeys(id)).length,
      ];
      expect([await left(first), await left(second)]).toEqual([
        [0, 0, 0, 0],
        [1, 1, 1, 1],
      ]);
    });
  });

  describe("members", () => {
    it("keep an owner, even when two owners step down at once", async () => {
      const { store, other } = await open();
      const id = await own(store);
      const [ada, bob] = [await account(store, id, "owner", "ada"), await account(store, id, "owner", "bob")];
      const changes = await Promise.all([
        store.setRole(id, ada, "viewer", "owner"),
        other.setRole(id, bob, null, "owner"),
      ]);
      expect(changes.toSorted()).toEqual(["changed", "last_owner"]);
      expect((await store.listMembers(id)).filter(({ role }) => role === "owner")).toHaveLength(1);
    });

    it("are not changed by a lower role, and get no role above the caller's", async () => {
      const { store } = await open();
      const id = await own(store);
      const [ada, bob] = [await account(store, id, "owner", "ada"), await account(store, id, "viewer", "bob")];
      await account(store, id, "owner", "eve");
      expect(await store.setRole(id, ada, "viewer", "admin")).toBe("above_own");
      expect(await store.setRole(id, ada, null, "admin")).toBe("above_own");
      expect(await store.setRole(id, bob, "owner", "admin")).toBe("above_own");
      expect(await store.setRole(id, bob, "admin", "admin")).toBe("changed");
      expect(await store.setRole(id, newUserId(), "viewer", "owner")).toBe("missing");
      expect(await store.setRole(newWorkspaceId(), bob, "viewer", "owner")).toBe("missing");
    });
  });

  describe("invitations", () => {
    it("admit one user, the first to accept", async () => {
      const { store, other, now } = await open();
      const id = await own(store);
      const [ada, bob] = [newUserId(), newUserId()];
      await store.createInvitation(invitation(id, plus(now(), 1_000)));
      expect(await store.findInvitation(`of ${id}`)).toMatchObject({ workspace_name: "default", role: "editor" });
      const accepted = await Promise.all([
        store.acceptInvitation(`of ${id}`, ada, newId("mem")),
        other.acceptInvitation(`of ${id}`, bob, newId("mem")),
      ]);
      expect(accepted.filter((one) => one !== null)).toHaveLength(1);
      const roles = [await store.roleOf(ada, id), await store.roleOf(bob, id)];
      expect(roles.filter((role) => role === "editor")).toHaveLength(1);
      expect(await store.findInvitation(`of ${id}`)).toBeNull();
    });

    it("end when they expire and when they are revoked", async () => {
      const { store, now, advance } = await open();
      const id = await own(store);
      await store.createInvitation(invitation(id, plus(now(), 1_000)));
      const [open_one] = await store.listInvitations(id);
      expect(await store.deleteInvitation(newWorkspaceId(), open_one?.id ?? "")).toBe(false);
      await advance(1_000);
      expect(await store.acceptInvitation(`of ${id}`, newUserId(), newId("mem"))).toBeNull();
      expect(await store.listInvitations(id)).toEqual([]);
      expect(await store.deleteInvitation(id, open_one?.id ?? "")).toBe(true);
    });

    it("keep the role of a user who is a member already", async () => {
      const { store, now } = await open();
      const id = await own(store);
      const ada = await account(store, id, "owner", "ada");
      await store.createInvitation(invitation(id, plus(now(), 1_000)));
      expect(await store.acceptInvitation(`of ${id}`, ada, newId("mem"))).not.toBeNull();
      expect(await store.roleOf(ada, id)).toBe("owner");
    });
  });

  describe("the account library's rows", () => {
    const session = (id: string, user_id: string, expires_at: number) => ({
      id,
      user_id,
      token_hash: `hash of ${id}`,
      ip_address: null,
      user_agent: "x",
      created_at: 1_000,
      updated_at: 1_000,
      expires_at,
    });

    it("are found, counted, changed and deleted by conditions", async () => {
      const { store } = await open();
      for (const [id, user, expires_at] of [
        ["a", "u1", 10],
        ["b", "u1", 20],
        ["c", "u2", 30],
      ] as const)
        await store.insertLibraryRow("auth_session", session(id, user, expires_at));
      const ids = async (...conditions: Parameters<Store["findLibraryRows"]>[1]) => {
        const order = { column: "id", direction: "desc" } as const;
        return (await store.findLibraryRows("auth_session", conditions, { order, limit: 10 })).map(({ id }) => id);
      };
      expect(await ids()).toEqual(["c", "b", "a"]);
      expect(await ids({ column: "user_id", operator: "=", value: "u1" })).toEqual(["b", "a"]);
      expect(await ids({ column: "expires_at", operator: ">=", value: 20 })).toEqual(["c", "b"]);
      expect(await ids({ column: "id", operator: "in", value: ["a", "c", "none"] })).toEqual(["c", "a"]);
      expect(await ids({ column: "id", operator: "in", value: [] })).toEqual([]);
      expect(await ids({ column: "ip_address", operator: "=", value: null })).toEqual(["c", "b", "a"]);
      expect(await ids({ column: "ip_address", operator: "<>", value: null })).toEqual([]);
      const of_u1 = [{ column: "user_id", operator: "=", value: "u1" }] as const;
      expect(await store.countLibraryRows("auth_session", of_u1)).toBe(2);
      expect(await store.updateLibraryRows("auth_session", of_u1, { user_agent: "y" })).toBe(2);
      expect(await store.updateLibraryRows("auth_session", of_u1, {})).toBe(0);
      const page = { limit: 1, offset: 1, order: { column: "id", direction: "asc" } } as const;
      expect(await store.findLibraryRows("auth_session", [], page)).toEqual([
        { ...session("b", "u1", 20), user_agent: "y" },
      ]);
      expect(await store.deleteLibraryRows("auth_session", of_u1)).toBe(2);
      expect(await ids()).toEqual(["c"]);
    });

    it("have only the columns of their tables", async () => {
      const { store } = await open();
      const column = "id from auth_user; --";
      await expect(
        store.findLibraryRows("auth_user", [{ column, operator: "=", value: 1 }], { limit: 1 }),
      ).rejects.toThrow("has no column");
      await expect(store.insertLibraryRow("auth_user", { [column]: 1 })).rejects.toThrow("has no column");
    });

    it("accept an email address once", async () => {
      const { store, other } = await open();
      const user = (id: string) => ({
        id,
        name: "x",
        email: "x@example.com",
        email_verified: 0,
        created_at: 1,
        updated_at: 1,
      });
      const made = await Promise.allSettled([
        store.insertLibraryRow("auth_user", user("a")),
        other.insertLibraryRow("auth_user", user("b")),
      ]);
      expect(made.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      expect(await store.findUser("x@example.com")).toMatchObject({ email: "x@example.com" });
      expect(await store.hasUsers()).toBe(true);
    });

    it("list sessions until they expire, and only their user ends them", async () => {
      const { store, now } = await open();
      const ada = newUserId();
      await store.insertLibraryRow("auth_session", session("live", ada, now() + 1_000));
      await store.insertLibraryRow("auth_session", session("over", ada, now() - 1));
      expect((await store.listSessions(ada)).map(({ id }) => id)).toEqual(["live"]);
      expect(await store.endSession(newUserId(), "live")).toBe(false);
      expect(await store.endSession(ada, "live")).toBe(true);
      await store.deleteOldCredentials(plus(now(), -1_000_000), now());
      expect(await store.countLibraryRows("auth_session", [])).toBe(0);
    });
  });
}

const invitation = (workspace_id: WorkspaceId, expires_at: ReturnType<typeof plus>) => ({
  id: newId("ivt"),
  workspace_id,
  token_hash: `of ${workspace_id}`,
  email: "new@example.com",
  role: "editor" as const,
  invited_by: "test",
  expires_at,
});
