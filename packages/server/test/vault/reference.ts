/**
 * A second implementation of docs/token-format.md, written from that page alone. It uses Web Crypto
 * instead of node:crypto, and nothing from src/. It creates the vectors (with fixed nonces) and
 * opens what the product seals.
 */
const { subtle } = globalThis.crypto;

export interface Place {
  readonly table: string;
  readonly column: string;
  readonly scope: string;
  readonly row_id: string;
  readonly generation: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

function concat(...parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function bigEndian(value: number, bytes: number): Bytes {
  const out = new Uint8Array(bytes);
  let rest = BigInt(value);
  for (let at = bytes - 1; at >= 0; at -= 1) {
    out[at] = Number(rest & 255n);
    rest >>= 8n;
  }
  return out;
}

function lengthPrefixed(...parts: readonly Uint8Array[]): Bytes {
  return concat(...parts.flatMap((part) => [bigEndian(part.length, 4), part]));
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export async function kekId(kek: Bytes): Promise<string> {
  const key = await subtle.importKey("raw", kek, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return hex(new Uint8Array(await subtle.sign("HMAC", key, utf8("holdfast kek id v1")))).slice(0, 16);
}

async function hkdf(kek: Bytes, info: string): Promise<Bytes> {
  const key = await subtle.importKey("raw", kek, "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: utf8(info) };
  return new Uint8Array(await subtle.deriveBits(parameters, key, 256));
}

async function gcm(
  direction: "encrypt" | "decrypt",
  key_bytes: Bytes,
  nonce: Bytes,
  data: Bytes,
  aad: Bytes,
): Promise<Bytes> {
  const key = await subtle.importKey("raw", key_bytes, "AES-GCM", false, [direction]);
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: aad, tagLength: 128 };
  return new Uint8Array(await subtle[direction](parameters, key, data));
}

function wrapAad(kek_id: string, scope: string, dek_id: string): Bytes {
  const row = lengthPrefixed(utf8("holdfast data key v1"), utf8(scope), utf8(dek_id));
  return lengthPrefixed(utf8("holdfast wrap v1"), utf8(kek_id), row);
}

function recordAad(place: Place, dek_id: string): Bytes {
  const { table, column, scope, row_id, generation } = place;
  const names = [table, column, scope, row_id].map(utf8);
  return lengthPrefixed(Uint8Array.of(1), ...names, bigEndian(generation, 8), utf8(dek_id));
}

export async function wrapDataKey(kek: Bytes, scope: string, dek_id: string, dek: Bytes, nonce: Bytes): Promise<Bytes> {
  const key = await hkdf(kek, "holdfast wrap v1");
  return concat(nonce, await gcm("encrypt", key, nonce, dek, wrapAad(await kekId(kek), scope, dek_id)));
}

export async function sealRecord(dek: Bytes, dek_id: string, place: Place, text: string, nonce: Bytes): Promise<Bytes> {
  const body = await gcm("encrypt", dek, nonce, utf8(text), recordAad(place, dek_id));
  return concat(Uint8Array.of(1, dek_id.length), utf8(dek_id), nonce, body);
}

/** Returns the text. Rejects if anything does not match. */
export async function openRecord(
  kek: Bytes,
  row: { readonly dek_id: string; readonly scope: string; readonly kek_id: string; readonly wrapped: Bytes },
  place: Place,
  record: Bytes,
): Promise<string> {
  const id_end = 2 + (record[1] ?? 0);
  const dek_id = new TextDecoder().decode(record.slice(2, id_end));
  if (record[0] !== 1 || dek_id !== row.dek_id || row.scope !== place.scope) throw new Error("not this key's record");
  if (row.kek_id !== (await kekId(kek))) throw new Error("another master key");
  const wrapping = await hkdf(kek, "holdfast wrap v1");
  const aad = wrapAad(row.kek_id, row.scope, row.dek_id);
  const dek = await gcm("decrypt", wrapping, row.wrapped.slice(0, 12), row.wrapped.slice(12), aad);
  const nonce = record.slice(id_end, id_end + 12);
  return new TextDecoder().decode(
    await gcm("decrypt", dek, nonce, record.slice(id_end + 12), recordAad(place, dek_id)),
  );
}
