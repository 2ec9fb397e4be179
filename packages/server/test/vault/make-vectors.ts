/**
 * The test vectors of docs/token-format.md, created by the reference implementation. `node
 * make-vectors.ts` writes vectors.json, and a test checks that the committed file matches. Keys and
 * texts are invented.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { kekId, sealRecord, wrapDataKey, type Place } from "./reference.ts";

export interface Vector {
  readonly name: string;
  /** The master key, base64. */
  readonly kek: string;
  /** The row of `data_keys`. `wrapped` is base64. */
  readonly data_key: {
    readonly dek_id: string;
    readonly scope: string;
    readonly kek_id: string;
    readonly wrapped: string;
  };
  readonly context: Place;
  /** base64 */
  readonly record: string;
  readonly expect: "ok" | "unreadable";
  /** Only with `ok`. */
  readonly plaintext?: string;
}

const DEK_ID = "dek_0123456789abcdefghij";
const OTHER_DEK_ID = "dek_zzzzzzzzzzzzzzzzzzzz";
const home: Place = {
  table: "connections",
  column: "sealed_refresh",
  scope: "app_vector",
  row_id: "con_vector",
  generation: 3,
};

const count = (from: number, length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, at) => from + at);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const kek = count(0, 32);
const dek = count(64, 32);
const nonce = count(200, 12);

async function dataKey(scope: string, dek_id = DEK_ID, master = kek): Promise<Vector["data_key"]> {
  const wrapped = await wrapDataKey(master, scope, dek_id, dek, count(100, 12));
  return { dek_id, scope, kek_id: await kekId(master), wrapped: base64(wrapped) };
}

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

export async function makeVectors(): Promise<Vector[]> {
  const record = await sealRecord(dek, DEK_ID, home, "example refresh token", nonce);
  const base = { kek: base64(kek), data_key: await dataKey(home.scope), context: home, record: base64(record) };
  const ok = async (name: string, place: Place, plaintext: string): Promise<Vector> => ({
    ...base,
    name,
    data_key: await dataKey(place.scope),
    context: place,
    record: base64(await sealRecord(dek, DEK_ID, place, plaintext, nonce)),
    expect: "ok",
    plaintext,
  });
  const bad = (name: string, change: Partial<Vector>): Vector => ({ ...base, name, expect: "unreadable", ...change });
  const moved = (name: string, change: Partial<Place>): Vector => bad(name, { context: { ...home, ...change } });
  const altered = (name: string, bytes: Uint8Array): Vector => bad(name, { record: base64(bytes) });
  const nonce_at = 2 + DEK_ID.length;

  return [
    await ok("a refresh token", home, "example refresh token"),
    await ok("the empty text", home, ""),
    await ok("text beyond ASCII", home, "clé 鍵 🔑 \u0000"),
    await ok("generation 0", { ...home, generation: 0 }, "first"),
    await ok("the largest generation", { ...home, generation: Number.MAX_SAFE_INTEGER }, "last"),
    await ok(
      "a workspace's scope",
      { ...home, table: "oauth_clients", column: "sealed_secret", scope: "wsp_vector" },
      "client secret",
    ),
    moved("moved to another table", { table: "flows" }),
    moved("moved to another column", { column: "sealed_access" }),
    moved("moved to another row", { row_id: "con_other" }),
    moved("put back after a later generation", { generation: 4 }),
    moved("moved to another scope", { scope: "app_other" }),
    bad("moved to another scope together with its data key", {
      context: { ...home, scope: "app_other" },
      data_key: { ...base.data_key, scope: "app_other" },
    }),
    bad("fields that join to the same text", { context: { ...home, table: "connectionss", column: "ealed_refresh" } }),
    altered("another version", flip(record, 0)),
    altered("another length of the key id", flip(record, 1)),
    altered("another key id", flip(record, 5)),
    altered("a flipped bit in the nonce", flip(record, nonce_at)),
    altered("a flipped bit in the ciphertext", flip(record, nonce_at + 12)),
    altered("a flipped bit in the tag", flip(record, record.length - 1)),
    altered("cut short by a byte", record.slice(0, -1)),
    altered("a byte too long", new Uint8Array([...record, 0])),
    altered("nothing but the header", record.slice(0, nonce_at)),
    altered("no bytes", new Uint8Array(0)),
    bad("another master key under the right id", { kek: base64(count(1, 32)) }),
    bad("a data key of another master key", { data_key: await dataKey(home.scope, DEK_ID, count(1, 32)) }),
    bad("a data key under another id", { data_key: await dataKey(home.scope, OTHER_DEK_ID) }),
    bad("a flipped bit in the wrapped data key", {
      data_key: { ...base.data_key, wrapped: base64(flip(Buffer.from(base.data_key.wrapped, "base64"), 20)) },
    }),
  ];
}

if (import.meta.main) {
  const path = fileURLToPath(new URL("vectors.json", import.meta.url));
  writeFileSync(path, `${JSON.stringify(await makeVectors(), null, 2)}\n`);
}
