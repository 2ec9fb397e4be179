import { describe, expect, it } from "vitest";
import { CodedError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { instant } from "../../src/core/types.ts";
import { sealedFromStorage } from "../../src/vault/seal.ts";
import { makeVectors } from "./make-vectors.ts";
import { openRecord } from "./reference.ts";
import { context, masterKey, memoryKeys, ringOf, vaultOver } from "./support.ts";
import committed from "./vectors.json" with { type: "json" };

const bytes = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(base64, "base64"));

const vectors = await makeVectors();

describe("the committed vectors", () => {
  it("match the reference implementation", () => {
    expect(committed).toEqual(vectors);
  });

  it.each(vectors)("$name: $expect", async (vector) => {
    const keys = memoryKeys();
    const row = { ...vector.data_key, wrapped: bytes(vector.data_key.wrapped) };
    // The vault gets its own fingerprint key, so that only the vector's data key is under test.
    const vault = await vaultOver(keys, ringOf(vector.kek));
    keys.rows.set(row.dek_id, { ...row, encryptions: 1, created_at: instant(0) });
    const record = bytes(vector.record);
    const product = await vault.open(vector.context, sealedFromStorage(record)).then(
      (text) => ({ plaintext: text.expose() }),
      (error: unknown) => ({ code: error instanceof CodedError ? error.code : "a bug" }),
    );
    const reference = await openRecord(bytes(vector.kek), row, vector.context, record).catch(() => null);
    const { plaintext = null } = vector;
    expect(product).toEqual(plaintext === null ? { code: "credential_unreadable" } : { plaintext });
    expect(reference).toBe(plaintext);
    expect(vector.expect).toBe(plaintext === null ? "unreadable" : "ok");
  });
});

it("the reference implementation opens what the product seals", async () => {
  const keys = memoryKeys();
  const vault = await vaultOver(keys);
  const sealed = await vault.seal(context, new Secret("made by the product"));
  const row = keys.rows.get(keys.current_of.get(context.scope) ?? "");
  if (row === undefined) throw new Error("no data key was made");
  const stored = { ...row, wrapped: Uint8Array.from(row.wrapped) };
  expect(await openRecord(bytes(masterKey(1)), stored, context, Uint8Array.from(sealed))).toBe("made by the product");
});
