/**
 * AES-256-GCM and the encoding of associated data, as docs/token-format.md fixes them. Knows bytes only: no keys are
 * stored here, and what a failure means to a caller is decided above.
 *
 * A box is `nonce (12) | ciphertext | tag (16)`. Nonces are random: with at most 2^32 boxes under one key the chance of
 * a repeat stays below 2^-32 (NIST SP 800-38D section 8.3).
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, type KeyObject } from "node:crypto";

export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";
const EMPTY = new Uint8Array(0);

export function encrypt(key: KeyObject, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  const body = cipher.update(plaintext);
  return Buffer.concat([nonce, body, cipher.final(), cipher.getAuthTag()]);
}

/** The plaintext, or null when key, box and associated data do not belong together. */
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
    // Not authentic. Nobody may see the bytes, and node's text says nothing that helps.
    plaintext.fill(0);
    return null;
  }
}

/**
 * Each part as `length (4 bytes, big-endian) | bytes`, so that no two lists of parts give the same bytes.
 *
 * @throws TypeError for a text with a lone surrogate: UTF-8 would make two different texts equal.
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

/** @throws TypeError for a text with a lone surrogate, which would not come back as it went in. */
export function utf8(text: string): Buffer {
  if (!text.isWellFormed()) throw new TypeError("A text with a lone surrogate cannot be written as UTF-8.");
  return Buffer.from(text, "utf8");
}

/** HKDF-SHA256 (RFC 5869) without salt, 32 bytes. */
export function hkdf(key: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync("sha256", key, EMPTY, info, KEY_BYTES));
}
