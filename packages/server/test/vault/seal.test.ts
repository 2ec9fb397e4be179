import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CodedError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { FINGERPRINT_SCOPE, sealedFromStorage, type SealContext } from "../../src/vault/seal.ts";
import { context, errorOf, masterKey, memoryKeys, ringOf, vaultOver } from "./support.ts";

const id = fc.stringMatching(/^[a-z0-9_-]{1,40}$/);
const contexts: fc.Arbitrary<SealContext> = fc.record({
  table: id,
  column: id,
  scope: id,
  row_id: id,
  generation: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
});
const texts = fc.string({ unit: "binary", maxLength: 300 });
const secret = new Secret("xoxe-canary-refresh-token");

describe("a sealed value", () => {
  it("opens to the sealed text, for any context and text", async () => {
    const vault = await vaultOver(memoryKeys());
    await fc.assert(
      fc.asyncProperty(contexts, texts, async (where, text) => {
        const sealed = await vault.seal(where, new Secret(text));
        expect((await vault.open(where, sealed)).expose()).toBe(text);
        expect(vault.openCached(where, sealed)?.expose()).toBe(text);
      }),
    );
  });

  it("does not open in any other place", async () => {
    const vault = await vaultOver(memoryKeys());
    await fc.assert(
      fc.asyncProperty(
        contexts,
        contexts,
        fc.subarray(["table", "column", "scope", "row_id", "generation"] as const, { minLength: 1 }),
        async (home, other, fields) => {
          const moved = { ...home, ...Object.fromEntries(fields.map((field) => [field, other[field]])) };
          fc.pre(JSON.stringify(moved) !== JSON.stringify(home));
          const sealed = await vault.seal(home, secret);
          // The other scope has its own data key, as in practice.
          await vault.seal(moved, secret);
          expect((await errorOf(() => vault.open(moved, sealed)))?.code).toBe("credential_unreadable");
          expect((await errorOf(() => vault.openCached(moved, sealed)))?.code).toBe("credential_unreadable");
        },
      ),
    );
  });

  it("does not confuse fields that read the same when joined", async () => {
    const vault = await vaultOver(memoryKeys());
    const sealed = await vault.seal({ ...context, table: "ab", column: "c" }, secret);
    expect((await errorOf(() => vault.open({ ...context, table: "a", column: "bc" }, sealed)))?.code).toBe(
      "credential_unreadable",
    );
  });

  it("does not open with any one bit flipped", async () => {
    const vault = await vaultOver(memoryKeys());
    const sealed = await vault.seal(context, secret);
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = Uint8Array.from(sealed, (byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect((await errorOf(() => vault.open(context, sealedFromStorage(flipped))))?.code).toBe(
        "credential_unreadable",
      );
    }
    expect((await vault.open(context, sealed)).expose()).toBe(secret.expose());
  });

  it("does not open if truncated, extended or empty", async () => {
    const vault = await vaultOver(memoryKeys());
    const sealed = await vault.seal(context, secret);
    for (let length = 0; length < sealed.length; length += 1) {
      expect((await errorOf(() => vault.open(context, sealedFromStorage(sealed.slice(0, length)))))?.code).toBe(
        "credential_unreadable",
      );
    }
    const longer = sealedFromStorage(Buffer.concat([sealed, Buffer.alloc(1)]));
    expect((await errorOf(() => vault.open(context, longer)))?.code).toBe("credential_unreadable");
  });

  it("does not open for arbitrary bytes, and never crashes", async () => {
    const vault = await vaultOver(memoryKeys());
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 120 }), async (bytes) => {
        expect((await errorOf(() => vault.open(context, sealedFromStorage(bytes))))?.code).toBe(
          "credential_unreadable",
        );
      }),
    );
  });

  it("has a different nonce each time: 100,000 of the same text", async () => {
    const vault = await vaultOver(memoryKeys());
    const nonces = new Set<string>();
    for (let count = 0; count < 100_000; count += 1) {
      const sealed = await vault.seal(context, secret);
      nonces.add(Buffer.from(sealed.subarray(26, 38)).toString("latin1"));
    }
    expect(nonces.size).toBe(100_000);
  });

  it("contains no plaintext, and neither does its error", async () => {
    const vault = await vaultOver(memoryKeys());
    const sealed = await vault.seal(context, secret);
    expect(Buffer.from(sealed).includes(secret.expose())).toBe(false);
    const errors = await Promise.all([
      errorOf(() => vault.open({ ...context, generation: 8 }, sealed)),
      errorOf(() => vault.open(context, sealedFromStorage(sealed.slice(0, 40)))),
      errorOf(() => vault.open({ ...context, scope: "app_two" }, sealed)),
    ]);
    expect(new Set(errors.map((error) => error?.message)).size).toBe(1);
  });

  it("cannot be created for a text that would change, or for an invalid generation", async () => {
    const vault = await vaultOver(memoryKeys());
    await expect(vault.seal(context, new Secret("\ud800"))).rejects.toThrow(TypeError);
    await expect(vault.seal({ ...context, row_id: "\udfff" }, secret)).rejects.toThrow(TypeError);
    for (const generation of [-1, 0.5, Number.NaN, 2 ** 53]) {
      await expect(vault.seal({ ...context, generation }, secret)).rejects.toThrow(TypeError);
    }
  });
});

describe("keys that are missing or wrong", () => {
  it("opens in another process with the same master key", async () => {
    const keys = memoryKeys();
    const sealed = await (await vaultOver(keys)).seal(context, secret);
    const vault = await vaultOver(keys);
    expect(vault.openCached(context, sealed)).toBeNull();
    expect((await vault.open(context, sealed)).expose()).toBe(secret.expose());
    expect(vault.openCached(context, sealed)?.expose()).toBe(secret.expose());
  });

  it("refuses to start with a master key that is not the data's", async () => {
    const keys = memoryKeys();
    await vaultOver(keys);
    const before = new Map(keys.rows);
    expect((await errorOf(() => vaultOver(keys, ringOf(masterKey(2)))))?.code).toBe("wrong_master_key");
    expect(keys.rows).toEqual(before);
  });

  it("fails only for the app whose data key is deleted or damaged", async () => {
    const keys = memoryKeys();
    const writer = await vaultOver(keys);
    const scopes = ["app_one", "app_two", "app_three"];
    const sealed = await Promise.all(scopes.map((scope) => writer.seal({ ...context, scope }, secret)));
    keys.rows.delete(keys.current_of.get("app_one") ?? "");
    const damaged = keys.rows.get(keys.current_of.get("app_two") ?? "");
    if (damaged !== undefined) keys.rows.set(damaged.dek_id, { ...damaged, wrapped: damaged.wrapped.slice(1) });
    const vault = await vaultOver(keys);
    const outcomes = scopes.map((scope, at) =>
      errorOf(() => vault.open({ ...context, scope }, sealed[at] ?? sealedFromStorage(new Uint8Array()))),
    );
    expect((await Promise.all(outcomes)).map((error) => error?.code)).toEqual([
      "credential_unreadable",
      "credential_unreadable",
      undefined,
    ]);
  });

  it("does not open with a data key moved to another scope's row", async () => {
    const keys = memoryKeys();
    const writer = await vaultOver(keys);
    const sealed = await writer.seal(context, secret);
    for (const row of keys.rows.values())
      if (row.scope === "app_one") keys.rows.set(row.dek_id, { ...row, scope: "app_two" });
    const vault = await vaultOver(keys);
    expect((await errorOf(() => vault.open({ ...context, scope: "app_two" }, sealed)))?.code).toBe(
      "credential_unreadable",
    );
  });

  it("passes on the store's error: an outage is not an unreadable credential", async () => {
    const keys = memoryKeys();
    const sealed = await (await vaultOver(keys)).seal(context, secret);
    const vault = await vaultOver({ ...keys, load: () => Promise.reject(new CodedError("database_unavailable")) });
    expect((await errorOf(() => vault.open(context, sealed)))?.code).toBe("database_unavailable");
  });
});

describe("fingerprints", () => {
  it("are equal for equal texts in every process of an installation, and differ in another one", async () => {
    const keys = memoryKeys();
    const [one, two, elsewhere] = [await vaultOver(keys), await vaultOver(keys), await vaultOver(memoryKeys())];
    expect(one.fingerprint(secret)).toMatch(/^[0-9a-f]{64}$/);
    expect(one.fingerprint(secret)).toBe(two.fingerprint(new Secret(secret.expose())));
    expect(one.fingerprint(secret)).not.toBe(one.fingerprint(new Secret("other")));
    expect(one.fingerprint(secret)).not.toBe(elsewhere.fingerprint(secret));
  });

  it("are equal if ten processes create the key at once", async () => {
    const keys = memoryKeys();
    const vaults = await Promise.all(Array.from({ length: 10 }, () => vaultOver(keys)));
    expect(new Set(vaults.map((vault) => vault.fingerprint(secret))).size).toBe(1);
    expect(keys.rows.size).toBe(1);
  });

  it("have a key that never seals", async () => {
    const vault = await vaultOver(memoryKeys());
    await expect(vault.seal({ ...context, scope: FINGERPRINT_SCOPE }, secret)).rejects.toThrow(TypeError);
  });
});
