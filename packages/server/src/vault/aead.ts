/**
 * AES-256-GCM and the encoding of associated data, as defined in docs/token-format.md. Knows bytes
 * only: it stores no keys, and the caller decides what a failure means.
 *
 * A box is `nonce (12) | ciphertext | tag (16)`. Nonces are random. With at most 2^32 boxes under
 * one key, the chance of a repeated nonce stays below 2^-32 (NIST SP 800-38D section 8.3).
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, type KeyObject } from "node:crypto";

export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";
const EMPTY = new Uint8Array(0);

/** Returns the box. `aad` must be the same when it is decrypted. */
export function encrypt(key: KeyObject, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  const body = cipher.update(plaintext);
  return Buffer.concat([nonce, body, cipher.final(), cipher.getAuthTag()]);
}

/** Returns the plaintext, or null if key, box and associated data do not match. */
export function decrypt(key: KeyObject, box: Uint8Array, aad: Uint8Array): Buffer | null {
  if (box.length < NONCE_BYTES + TAG_BYTES) return null;
  const body_end = box.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, box.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(box.subarray(body_end));
  const plaintext = decipher.update(box.subarray(NONCE_BYTES, body_end));
  try {
    decipher.final();
    return plaintext;
  } catch {
    // Not authentic, so the bytes must not be used. Node's message adds nothing.
    plaintext.fill(0);
    return null;
  }
}

/**
 * Encodes each part as `length (4 bytes, big-endian) | bytes`, so that different lists of parts
 * never have the same bytes.
 *
 * @throws TypeError for a string with a lone surrogate: UTF-8 would make different strings equal
 */
export function lengthPrefixed(...parts: readonly (string | Uint8Array)[]): Buffer {
  const pieces: Uint8Array[] = [];
  for (const part of parts) {
    const bytes = typeof part === "string" ? utf8(part) : part;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    pieces.push(length, bytes);
  }
  return Buffer.concat(pieces);
}

/**
 * Encodes as UTF-8.
 *
 * @throws TypeError for a string with a lone surrogate, which would be changed
 */
export function utf8(text: string): Buffer {
  if (!text.isWellFormed()) throw new TypeError("A string with a lone surrogate cannot be encoded as UTF-8.");
  return Buffer.from(text, "utf8");
}

/** Derives 32 bytes with HKDF-SHA256 (RFC 5869), without salt. */
export function hkdf(key: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync("sha256", key, EMPTY, info, KEY_BYTES));
}
