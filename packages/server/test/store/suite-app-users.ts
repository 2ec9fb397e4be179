/** Issuers of an app, and its users. */
import { describe, expect, it } from "vitest";
import { newAppId, newId } from "../../src/core/ids.ts";
import type { AppId } from "../../src/core/types.ts";
import { deleteApp } from "../../src/store/queries/apps.ts";
import { putIssuer, requireIssuer } from "../../src/store/queries/app-users.ts";
import type { Store } from "../../src/store/store.ts";
import type { AppIssuerRow } from "../../src/store/tables.ts";
import { appWith, bytes } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

const LIMIT = 3;

const put = (store: Store, app_id: AppId, issuer: string, change: Partial<AppIssuerRow> = {}) =>
  store.transaction((tx) =>
    putIssuer(
      tx,
      {
        id: newId("iss"),
        app_id,
        issuer,
        kind: "oidc",
        url: null,
        audiences: ["shop"],
        sealed_secret: null,
        ...change,
      },
      LIMIT,
    ),
  );

const see = (store: Store, app_id: AppId, issuer_id: string, subject: string, email: string | null = null) =>
  store.putAppUser({ id: newId("aus"), app_id, issuer_id, subject, email, full_name: null }, LIMIT);

export function describeAppUsers(open: OpenStores): void {
  describe("issuers", () => {
    it("are replaced under the same name, and keep their id and age", async () => {
      const { store, advance } = await open();
      const app_id = await appWith(store);
      const first = await put(store, app_id, "https://a.example");
      await advance(1_000);
      const secret = { kind: "secret", audiences: ["a", "b"], sealed_secret: bytes(1) } as const;
      const second = await put(store, app_id, "https://a.example", secret);
      expect(second).toMatchObject({
        id: first?.id,
        created_at: first?.created_at,
        kind: "secret",
        audiences: ["a", "b"],
      });
      expect(await store.listIssuers(app_id)).toHaveLength(1);
    });

    it("are limited in number, and a replacement is always possible", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      for (const name of ["a", "b", "c"]) expect(await put(store, app_id, name)).toMatchObject({ issuer: name });
      expect(await put(store, app_id, "d")).toBeNull();
      expect(await put(store, app_id, "a", { audiences: ["new"] })).toMatchObject({ audiences: ["new"] });
      expect((await store.listIssuers(app_id)).map(({ issuer }) => issuer).toSorted()).toEqual(["a", "b", "c"]);
    });

    it("belong to one app each, and are found by name in all", async () => {
      const { store } = await open();
      const apps = [await appWith(store), await appWith(store)].toSorted();
      for (const app_id of apps) await put(store, app_id, "https://same.example");
      expect(await store.appsOfIssuer("https://same.example", 9)).toEqual(apps);
      expect(await store.appsOfIssuer("https://same.example", 1)).toHaveLength(1);
      expect(await store.appsOfIssuer("https://other.example", 9)).toEqual([]);
    });

    it("are deleted with their users, but not by another app", async () => {
      const { store } = await open();
      const [mine, others] = [await appWith(store), await appWith(store)];
      const issuer = await put(store, mine, "a");
      const id = issuer?.id ?? "";
      await see(store, mine, id, "u1");
      await see(store, mine, "holdfast", "u1");
      expect(await store.deleteIssuer(others, id)).toBe(false);
      await store.transaction((tx) => requireIssuer(tx, mine, id));
      expect(await store.deleteIssuer(mine, id)).toBe(true);
      expect(await store.deleteIssuer(mine, id)).toBe(false);
      await expect(store.transaction((tx) => requireIssuer(tx, mine, id))).rejects.toMatchObject({ code: "not_found" });
      expect((await store.listAppUsers(mine, null, 9)).map(({ issuer_id }) => issuer_id)).toEqual(["holdfast"]);
    });

    it("are not stored for an app that does not exist, and are deleted with theirs", async () => {
      const { store } = await open();
      await expect(put(store, newAppId(), "a")).rejects.toMatchObject({ code: "not_found" });
      const app_id = await appWith(store);
      const issuer = await put(store, app_id, "a");
      await see(store, app_id, issuer?.id ?? "", "u1");
      await store.transaction((tx) => deleteApp(tx, app_id));
      expect(await store.listIssuers(app_id)).toEqual([]);
      expect(await store.listAppUsers(app_id, null, 9)).toEqual([]);
    });
  });

  describe("app users", () => {
    it("are the same user as long as app, issuer and subject are", async () => {
      const { store, other, advance } = await open();
      const app_id = await appWith(store);
      const first = await see(store, app_id, "iss_a", "u1", "ada@example.com");
      await advance(1_000);
      const again = await see(other, app_id, "iss_a", "u1", "ada@new.example");
      expect(again).toMatchObject({ id: first?.id, created_at: first?.created_at, email: "ada@new.example" });
      expect(again?.last_seen_at).toBeGreaterThan(first?.last_seen_at ?? Number.POSITIVE_INFINITY);
    });

    it("are different users with one email address at two issuers, or in two apps", async () => {
      const { store } = await open();
      const [app_id, another] = [await appWith(store), await appWith(store)];
      const email = "ada@example.com";
      const users = [
        await see(store, app_id, "iss_a", "u1", email),
        await see(store, app_id, "iss_b", "u1", email),
        await see(store, app_id, "iss_a", "u2", email),
        await see(store, another, "iss_a", "u1", email),
      ];
      expect(new Set(users.map((user) => user?.id)).size).toBe(4);
    });

    it("are limited in number, and known ones are still seen", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      for (const subject of ["u1", "u2", "u3"]) expect(await see(store, app_id, "iss_a", subject)).not.toBeNull();
      expect(await see(store, app_id, "iss_a", "u4")).toBeNull();
      expect(await see(store, app_id, "iss_a", "u1")).not.toBeNull();
    });

    it("are listed page by page in the order in which they were first seen", async () => {
      const { store, advance } = await open();
      const app_id = await appWith(store);
      for (const subject of ["u1", "u2", "u3"]) {
        await see(store, app_id, "iss_a", subject);
        if (subject === "u2") await advance(1_000);
      }
      const page = await store.listAppUsers(app_id, null, 2);
      const rest = await store.listAppUsers(app_id, page.at(-1) ?? null, 2);
      expect([page.length, rest.map(({ subject }) => subject)]).toEqual([2, ["u3"]]);
      expect(page.map(({ subject }) => subject).toSorted()).toEqual(["u1", "u2"]);
    });

    it("have the role that builders set, which no sign-in changes", async () => {
      const { store, other } = await open();
      const [app_id, another] = [await appWith(store), await appWith(store)];
      const first = await see(store, app_id, "iss_a", "u1");
      const id = first?.id ?? "";
      expect(first?.role).toBe("user");
      expect(await store.setAppUserRole(another, id, "admin")).toBeNull();
      expect(await store.setAppUserRole(app_id, id, "admin")).toMatchObject({ id, role: "admin", subject: "u1" });
      expect(await see(other, app_id, "iss_a", "u1", "ada@example.com")).toMatchObject({ id, role: "admin" });
      expect(await other.findAppUser({ app_id, issuer_id: "iss_a", subject: "u1" })).toMatchObject({ role: "admin" });
      expect((await store.listAppUsers(app_id, null, 9)).map(({ role }) => role)).toEqual(["admin"]);
      expect(await store.setAppUserRole(app_id, id, "user")).toMatchObject({ role: "user" });
    });

    it("are found by app, issuer and subject", async () => {
      const { store } = await open();
      const [app_id, another] = [await appWith(store), await appWith(store)];
      const user = await see(store, app_id, "iss_a", "u1");
      const named = { app_id, issuer_id: "iss_a", subject: "u1" };
      expect(await store.findAppUser(named)).toEqual(user);
      for (const change of [{ app_id: another }, { issuer_id: "iss_b" }, { subject: "u2" }])
        expect(await store.findAppUser({ ...named, ...change })).toBeNull();
    });

    it("are not stored for an app that does not exist", async () => {
      const { store } = await open();
      await expect(see(store, newAppId(), "iss_a", "u1")).rejects.toMatchObject({ code: "not_found" });
    });
  });
}
