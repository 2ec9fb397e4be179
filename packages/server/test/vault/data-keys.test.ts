import { describe, expect, it } from "vitest";
import { CodedError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import type { Sealed, Vault } from "../../src/vault/seal.ts";
import { context, errorOf, memoryKeys, vaultOver } from "./support.ts";

const secret = new Secret("text");
const dekOf = (sealed: Sealed): string => Buffer.from(sealed.subarray(2, 26)).toString();

async function sealMany(vault: Vault, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let done = 0; done < count; done += 1) ids.push(dekOf(await vault.seal(context, secret)));
  return ids;
}

const down = (): Promise<never> => Promise.reject(new CodedError("database_unavailable"));

describe("counting encryptions", () => {
  it("is durable before the first of a batch is used, with one write per batch", async () => {
    const keys = memoryKeys();
    const vault = await vaultOver(keys);
    const [dek_id] = await sealMany(vault, 700);
    expect(keys.rows.get(dek_id ?? "")?.encryptions).toBe(1024);
    expect(keys.calls.reserve).toBe(1);
  });

  it("never undercounts, with many callers and restarts", async () => {
    const keys = memoryKeys();
    let sealed = 0;
    for (let start = 0; start < 5; start += 1) {
      const vault = await vaultOver(keys, undefined, { reserve_batch: 8 });
      await Promise.all(Array.from({ length: 333 }, () => vault.seal(context, secret)));
      sealed += 333;
      expect(keys.rows.get(keys.current_of.get("app_one") ?? "")?.encryptions).toBeGreaterThanOrEqual(sealed);
    }
  });

  it("uses the reserved batch during a database outage", async () => {
    const keys = memoryKeys();
    const state = { down: false };
    const vault = await vaultOver(
      { ...keys, current: (scope) => (state.down ? down() : keys.current(scope)) },
      undefined,
      { reserve_batch: 100 },
    );
    await vault.prepare("app_one");
    state.down = true;
    expect(await sealMany(vault, 100)).toHaveLength(100);
    expect((await errorOf(() => vault.seal(context, secret)))?.code).toBe("database_unavailable");
    state.down = false;
    expect(await sealMany(vault, 1)).toHaveLength(1);
  });

  it("reserves the next batch before the current one is used up", async () => {
    const keys = memoryKeys();
    const vault = await vaultOver(keys, undefined, { reserve_batch: 100 });
    await sealMany(vault, 76);
    expect(keys.calls.reserve).toBe(2);
  });
});

describe("replacing a data key", () => {
  it("happens at the limit, and records under the old one still open", async () => {
    const keys = memoryKeys();
    const vault = await vaultOver(keys, undefined, { reserve_batch: 10, rotate_at: 20 });
    const first = await vault.seal(context, secret);
    const ids = new Set(await sealMany(vault, 60));
    expect(ids.size).toBeGreaterThan(1);
    for (const row of keys.rows.values()) expect(row.encryptions).toBeLessThanOrEqual(30);
    const later = await vaultOver(keys);
    expect((await later.open(context, first)).expose()).toBe("text");
  });

  it("gives two nodes the same new key if both find the old one exhausted", async () => {
    const keys = memoryKeys();
    const limits = { reserve_batch: 10, rotate_at: 10 };
    await sealMany(await vaultOver(keys, undefined, limits), 1);
    const nodes = await Promise.all([vaultOver(keys, undefined, limits), vaultOver(keys, undefined, limits)]);
    const ids = await Promise.all(nodes.map((vault) => sealMany(vault, 1)));
    expect(keys.calls.insert).toBeLessThanOrEqual(4);
    for (const [dek_id] of ids) expect(keys.rows.has(dek_id ?? "")).toBe(true);
  });

  it("stops sealing if no new key can be created", async () => {
    const keys = memoryKeys();
    const stuck = {
      ...keys,
      insert: async (...[row, replaces]: Parameters<typeof keys.insert>) =>
        (await keys.current(row.scope)) ?? keys.insert(row, replaces),
    };
    const vault = await vaultOver(stuck, undefined, { reserve_batch: 10, rotate_at: 20, stop_at: 60 });
    const sealed = await vault.seal(context, secret);
    let made = 1;
    let error: { code: string; message: string } | null = null;
    while (error === null && made < 100) {
      error = await errorOf(() => vault.seal(context, secret));
      made += error === null ? 1 : 0;
    }
    expect(error?.code).toBe("internal");
    expect(error?.message).toContain("2^32");
    expect(made).toBeLessThanOrEqual(60);
    expect((await vault.open(context, sealed)).expose()).toBe("text");
  });

  it("stops sealing for a scope whose data key was deleted", async () => {
    const keys = memoryKeys();
    const vault = await vaultOver({ ...keys, reserve: async () => Number.POSITIVE_INFINITY });
    expect((await errorOf(() => vault.seal(context, secret)))?.code).toBe("credential_unreadable");
  });
});

describe("the cache of data keys", () => {
  it("queries the store once for a thousand readers", async () => {
    const keys = memoryKeys();
    const sealed = await (await vaultOver(keys)).seal(context, secret);
    const vault = await vaultOver(keys);
    await Promise.all(Array.from({ length: 1_000 }, () => vault.open(context, sealed)));
    expect(keys.calls.load).toBe(1);
  });

  it("drops a scope, and only that one", async () => {
    const vault = await vaultOver(memoryKeys());
    const other = { ...context, scope: "app_two" };
    const [mine, theirs] = [await vault.seal(context, secret), await vault.seal(other, secret)];
    vault.evict("app_one");
    expect(vault.openCached(context, mine)).toBeNull();
    expect(vault.openCached(other, theirs)?.expose()).toBe("text");
    expect(dekOf(await vault.seal(context, secret))).toBe(dekOf(mine));
  });

  it("is not refilled by a lookup that started before the scope was dropped", async () => {
    const keys = memoryKeys();
    const sealed = await (await vaultOver(keys)).seal(context, secret);
    const gate = Promise.withResolvers<undefined>();
    const vault = await vaultOver({
      ...keys,
      load: async (dek_id) => {
        const row = await keys.load(dek_id);
        await gate.promise;
        return row;
      },
    });
    const opening = vault.open(context, sealed);
    vault.evict("app_one");
    gate.resolve(undefined);
    expect((await opening).expose()).toBe("text");
    expect(vault.openCached(context, sealed)).toBeNull();
  });

  it("stays within its size, and works at any size", async () => {
    const keys = memoryKeys();
    const vault = await vaultOver(keys, undefined, { cached_keys: 2 });
    const scopes = Array.from({ length: 50 }, (_, at) => `app_${at}`);
    const sealed = await Promise.all(scopes.map((scope) => vault.seal({ ...context, scope }, secret)));
    const cached = sealed.filter((bytes, at) => vault.openCached({ ...context, scope: `app_${at}` }, bytes) !== null);
    expect(cached).toHaveLength(2);
    const opened = await Promise.all(sealed.map((bytes, at) => vault.open({ ...context, scope: `app_${at}` }, bytes)));
    expect(opened.every((text) => text.expose() === "text")).toBe(true);
  });
});
