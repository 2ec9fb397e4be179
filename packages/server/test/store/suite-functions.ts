/** Backend functions, their versions and content, and the secrets of an app. */
import { describe, expect, it } from "vitest";
import { newAppId, newId } from "../../src/core/ids.ts";
import { sha256Hex } from "../../src/core/secret.ts";
import type { AppId } from "../../src/core/types.ts";
import type { FunctionBlobsTable } from "../../src/store/function-tables.ts";
import { deleteApp } from "../../src/store/queries/apps.ts";
import { deployFunction, switchFunction } from "../../src/store/queries/functions.ts";
import type { Store } from "../../src/store/store.ts";
import { appWith, bytes } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

const LIMITS = { functions: 3, source_bytes: 1_000, versions: 3 };

const blobOf = (text: string): FunctionBlobsTable => ({
  digest: sha256Hex(text),
  size: text.length,
  bytes: Buffer.from(text),
});

/** Deploys a function whose content is `text`. Its lock is the same for all. */
async function deploy(store: Store, app_id: AppId, function_name: string, text: string, limits = LIMITS) {
  const [source, bundle, map, lock] = [`source ${text}`, `bundle ${text}`, `map ${text}`, "lock"].map(blobOf);
  if (source === undefined || bundle === undefined || map === undefined || lock === undefined) throw new Error("blobs");
  const id = newId("fnv");
  const version = {
    id,
    app_id,
    function_name,
    entry: "entry.ts",
    automations: [{ type: "scheduled", name: text }],
    source_digest: source.digest,
    bundle_digest: bundle.digest,
    map_digest: map.digest,
    lock_digest: lock.digest,
    built_with: "1.0.0",
    created_by: "test",
  };
  const outcome = await store.transaction((tx) => deployFunction(tx, version, [source, bundle, map, lock], limits));
  return { id, kind: outcome.kind, number: outcome.kind === "deployed" ? outcome.number : null };
}

const goTo = (store: Store, app_id: AppId, number: number) =>
  store.transaction((tx) => switchFunction(tx, app_id, "hello", number));

const storedText = async (store: Store, text: string): Promise<string | null> => {
  const stored = await store.getFunctionBlob(sha256Hex(text));
  return stored === null ? null : Buffer.from(stored.bytes).toString();
};

export function describeFunctions(open: OpenStores): void {
  describe("functions", () => {
    it("store content again that a deployment has, and that was damaged", async () => {
      const { store } = await open();
      const [one, two] = [await appWith(store), await appWith(store)];
      await deploy(store, one, "hello", "same");
      await store.transaction(({ db }) =>
        db
          .updateTable("function_blobs")
          .set({ bytes: Buffer.from("x") })
          .execute(),
      );
      expect(await storedText(store, "source same")).toBe("x");
      await deploy(store, two, "hello", "same");
      expect(await storedText(store, "source same")).toBe("source same");
    });

    it("have a live version, which a deployment replaces in one step", async () => {
      const { store, other, now } = await open();
      const app_id = await appWith(store);
      expect([await store.getFunction(app_id, "crm/sync"), await store.hasFunctions()]).toEqual([null, false]);
      const first = await deploy(store, app_id, "crm/sync", "one");
      const second = await deploy(other, app_id, "crm/sync", "two");
      expect([first.number, second.number, await store.hasFunctions()]).toEqual([1, 2, true]);
      expect(await store.getFunction(app_id, "crm/sync")).toEqual({
        app_id,
        name: "crm/sync",
        live_version: second.id,
        number: 2,
        entry: "entry.ts",
        automations: [{ type: "scheduled", name: "two" }],
        source_digest: sha256Hex("source two"),
        bundle_digest: sha256Hex("bundle two"),
        map_digest: sha256Hex("map two"),
        lock_digest: sha256Hex("lock"),
        built_with: "1.0.0",
        created_by: "test",
        created_at: now(),
        updated_at: now(),
      });
      expect((await store.listFunctions(app_id)).map(({ name }) => name)).toEqual(["crm/sync"]);
      expect(await storedText(store, "bundle one")).toBe("bundle one");
    });

    it("belong to one app", async () => {
      const { store } = await open();
      const [mine, others] = [await appWith(store), await appWith(store)];
      await deploy(store, mine, "hello", "one");
      expect(await store.getFunction(others, "hello")).toBeNull();
      expect(await store.listFunctions(others)).toEqual([]);
      expect(await store.functionNames(others, ["hello"])).toEqual([]);
      expect(await store.functionNames(mine, ["hello", "hello/more"])).toEqual(["hello"]);
      expect(await store.functionNames(mine, [])).toEqual([]);
      expect(await goTo(store, others, 1)).toBeNull();
      expect(await store.deleteFunction(others, "hello")).toBe(false);
    });

    it("number every deployment once, even when two nodes deploy at the same time", async () => {
      const { store, other } = await open();
      const app_id = await appWith(store);
      const limits = { ...LIMITS, versions: 20 };
      const deployed = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          deploy(index % 2 === 0 ? store : other, app_id, "hello", String(index), limits),
        ),
      );
      expect(deployed.map(({ number }) => number).toSorted((a, b) => Number(a) - Number(b))).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
      ]);
      const latest = deployed.find(({ number }) => number === 10);
      expect(await store.getFunction(app_id, "hello")).toMatchObject({ live_version: latest?.id });
    });

    it("go back to a kept version with its automations, and to no other", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      const first = await deploy(store, app_id, "hello", "one");
      await deploy(store, app_id, "hello", "two");
      expect(await goTo(store, app_id, 3)).toBeNull();
      expect(await goTo(store, app_id, 1)).toMatchObject({ id: first.id, number: 1 });
      expect(await store.getFunction(app_id, "hello")).toMatchObject({
        live_version: first.id,
        automations: [{ name: "one" }],
      });
      expect(await deploy(store, app_id, "hello", "three")).toMatchObject({ number: 3 });
    });

    it("keep a limited number of versions, and their content as long as a version uses it", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      for (const text of ["one", "two", "three", "four"]) await deploy(store, app_id, "hello", text);
      const kept = await store.listFunctionVersions(app_id, "hello");
      expect(kept.map(({ number }) => number)).toEqual([4, 3, 2]);
      expect(await storedText(store, "source one")).toBeNull();
      expect(await storedText(store, "lock")).toBe("lock");
      await deploy(store, app_id, "other", "two");
      await deploy(store, app_id, "hello", "five");
      expect(await storedText(store, "source two")).toBe("source two");
    });

    it("are limited in source for an app", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      const limits = { ...LIMITS, source_bytes: "source abc".length + "source x".length };
      expect(await deploy(store, app_id, "a", "abc", limits)).toMatchObject({ kind: "deployed" });
      expect(await deploy(store, app_id, "b", "xy", limits)).toMatchObject({ kind: "too_large" });
      expect(await store.getFunction(app_id, "b")).toBeNull();
      expect(await storedText(store, "source xy")).toBeNull();
      expect(await deploy(store, app_id, "b", "x", limits)).toMatchObject({ kind: "deployed" });
      expect(await deploy(store, app_id, "a", "abd", limits)).toMatchObject({ kind: "deployed" });
    });

    it("are limited in number for an app", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      for (const name of ["a", "b", "c"]) expect(await deploy(store, app_id, name, "x")).toMatchObject({ number: 1 });
      expect(await deploy(store, app_id, "d", "x")).toMatchObject({ kind: "too_many" });
      expect(await deploy(store, app_id, "a", "y")).toMatchObject({ number: 2 });
      expect(await store.getFunction(app_id, "d")).toBeNull();
    });

    it("are deleted with versions and content, and with their app", async () => {
      const { store } = await open();
      const [app_id, others] = [await appWith(store), await appWith(store)];
      await deploy(store, app_id, "hello", "one");
      await deploy(store, app_id, "bye", "two");
      await deploy(store, others, "hello", "one");
      expect(await store.deleteFunction(app_id, "bye")).toBe(true);
      expect(await store.listFunctionVersions(app_id, "bye")).toEqual([]);
      expect(await storedText(store, "bundle two")).toBeNull();
      await store.transaction((tx) => deleteApp(tx, app_id));
      expect(await store.listFunctions(app_id)).toEqual([]);
      expect(await storedText(store, "bundle one")).toBe("bundle one");
      await store.transaction((tx) => deleteApp(tx, others));
      expect([await storedText(store, "bundle one"), await storedText(store, "lock")]).toEqual([null, null]);
    });

    it("are not stored for an app that does not exist", async () => {
      const { store } = await open();
      const app_id = newAppId();
      await expect(deploy(store, app_id, "hello", "one")).rejects.toMatchObject({ code: "not_found" });
      expect(await storedText(store, "source one")).toBeNull();
    });
  });

  describe("secrets of an app", () => {
    const secret = (name: string, fill: number) => ({ name, sealed_value: bytes(fill) });

    it("are stored together or not at all, up to a limit", async () => {
      const { store } = await open();
      const app_id = await appWith(store);
      const names = async () => (await store.listAppSecrets(app_id)).map(({ name }) => name);
      expect(await store.putAppSecrets(app_id, [secret("B", 1), secret("A", 2)], 3)).toBe(true);
      expect(await names()).toEqual(["A", "B"]);
      expect(await store.putAppSecrets(app_id, [secret("A", 3), secret("C", 3), secret("D", 3)], 3)).toBe(false);
      expect(Buffer.from((await store.listAppSecrets(app_id))[0]?.sealed_value ?? [])).toEqual(Buffer.from(bytes(2)));
      expect(await store.putAppSecrets(app_id, [secret("A", 3), secret("C", 3)], 3)).toBe(true);
      expect(await names()).toEqual(["A", "B", "C"]);
      expect(Buffer.from((await store.listAppSecrets(app_id))[0]?.sealed_value ?? [])).toEqual(Buffer.from(bytes(3)));
    });

    it("belong to one app, and are deleted with it", async () => {
      const { store } = await open();
      const [mine, others] = [await appWith(store), await appWith(store)];
      await store.putAppSecrets(mine, [secret("A", 1), secret("B", 1)], 9);
      expect(await store.deleteAppSecret(others, "A")).toBe(false);
      expect(await store.deleteAppSecret(mine, "A")).toBe(true);
      expect(await store.deleteAppSecret(mine, "A")).toBe(false);
      await store.transaction((tx) => deleteApp(tx, mine));
      expect(await store.listAppSecrets(mine)).toEqual([]);
      await expect(store.putAppSecrets(mine, [secret("A", 1)], 9)).rejects.toMatchObject({ code: "not_found" });
    });
  });
}
