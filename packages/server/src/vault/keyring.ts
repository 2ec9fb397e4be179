/**
 * The master keys (KEKs). The current one wraps data keys, and retired ones still unwrap. A key
 * never leaves this file: callers get wrapped data keys, and keys derived for one purpose.
 *
 * A `kek_id` is the first 16 hex digits of HMAC-SHA256(key, "holdfast kek id v1"). It identifies a
 * key without revealing it, so it also checks that a key is the right one. Formats:
 * docs/token-format.md.
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { CodedError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { decrypt, encrypt, hkdf, lengthPrefixed } from "./aead.ts";
import { createKeyFile, keyFilePath, missingKey, parseKeyList, readKeyFile } from "./key-file.ts";

export { createKeyFile } from "./key-file.ts";

export interface Wrapped {
  readonly kek_id: string;
  /** `nonce (12) | ciphertext | tag (16)` */
  readonly wrapped: Uint8Array;
}

export interface Keyring {
  /** The key that wraps. `refresh` changes it after a rotation. */
  readonly current: { readonly kek_id: string };
  /** Returns the ids of all keys that can unwrap, the current one first. */
  ids(): readonly string[];
  has(kek_id: string): boolean;
  /** Wraps with the current key and binds `aad` to the result. */
  wrap(plaintext: Uint8Array, aad: Uint8Array): Wrapped;
  /** @throws CodedError `credential_unreadable` if the key is missing or wrapped other bytes */
  unwrap(kek_id: string, wrapped: Uint8Array, aad: Uint8Array): Buffer;
  /** Returns 32 bytes for one purpose, from the current key. A rotation changes them. */
  deriveKey(purpose: string): Buffer;
  /**
   * Returns such bytes from every key, the current one first. For verifying signatures of an
   * earlier key.
   */
  deriveKeys(purpose: string): readonly Buffer[];
  /** Reads the key file again, in case another process rotated it. Known keys still unwrap. */
  refresh(): void;
}

export interface KeyringOptions {
  readonly data_dir: string;
  /** HOLDFAST_MASTER_KEY. Takes precedence over the file. */
  readonly master_key: Secret | null;
  /** True if the database contains data. Then no key is ever created. */
  readonly has_data: boolean;
}

/**
 * Returns the keys in HOLDFAST_MASTER_KEY, else in `<data_dir>/master.key`. Creates the file if
 * there is neither, and no data.
 *
 * @throws CodedError `missing_master_key` or `configuration`, both exit 78
 */
export function loadKeyring(options: KeyringOptions): Keyring {
  if (options.master_key !== null) return createKeyring(parseKeyList(options.master_key.expose()), () => null);
  const path = keyFilePath(options.data_dir);
  const found = readKeyFile(path);
  if (found !== null) return createKeyring(found, () => readKeyFile(path));
  if (options.has_data) throw missingKey(path);
  createKeyFile(options.data_dir);
  // Read from disk again: two processes that start at once must both use the key in the file.
  const created = readKeyFile(path);
  if (created === null) throw missingKey(path);
  return createKeyring(created, () => readKeyFile(path));
}

/**
 * Checks that the keyring has every key that the database uses. Call it before any read or write.
 *
 * @throws CodedError `wrong_master_key`, exit 78
 */
export function checkKeyring(keyring: Keyring, stored_kek_ids: readonly string[]): void {
  const absent = [...new Set(stored_kek_ids)].filter((kek_id) => !keyring.has(kek_id));
  if (absent.length === 0) return;
  throw new CodedError("wrong_master_key", {
    message: `The data is encrypted under master key ${absent.join(", ")}, but the configured key is ${keyring.ids().join(", ")}. Restore the master.key (or HOLDFAST_MASTER_KEY) that belongs to this data. Nothing was changed.`,
  });
}

export function kekIdOf(key: Uint8Array): string {
  return createHmac("sha256", key).update("holdfast kek id v1").digest("hex").slice(0, 16);
}

interface MasterKey {
  readonly bytes: Buffer;
  /** Wrapping uses a derived key, so that no key serves two algorithms. */
  readonly wrapping: KeyObject;
}

interface Ring {
  keys: ReadonlyMap<string, MasterKey>;
  current_id: string;
}

function createKeyring(keys: readonly Buffer[], reread: () => readonly Buffer[] | null): Keyring {
  const ring: Ring = { keys: new Map(), current_id: "" };
  addKeys(ring, keys);
  return {
    get current() {
      return { kek_id: ring.current_id };
    },
    ids: () => [...ring.keys.keys()],
    has: (kek_id) => ring.keys.has(kek_id),
    wrap: (plaintext, aad) => wrap(ring, plaintext, aad),
    unwrap: (kek_id, wrapped, aad) => unwrap(ring, kek_id, wrapped, aad),
    deriveKey: (purpose) => derive(keyOf(ring, ring.current_id), purpose),
    deriveKeys: (purpose) => [...ring.keys.values()].map((key) => derive(key, purpose)),
    refresh: () => {
      try {
        addKeys(ring, reread() ?? []);
      } catch {
        // An unusable file stops the next start, with the reason. Continuing with the known keys is
        // safe.
      }
    },
  };
}

/** Puts new keys first, in their order. Known keys stay behind them and still unwrap. */
function addKeys(ring: Ring, added: readonly Buffer[]): void {
  const keys = new Map(added.map((bytes) => [kekIdOf(bytes), masterKey(bytes)]));
  ring.current_id = keys.keys().next().value ?? ring.current_id;
  for (const [kek_id, key] of ring.keys) if (!keys.has(kek_id)) keys.set(kek_id, key);
  ring.keys = keys;
}

function keyOf(ring: Ring, kek_id: string): MasterKey {
  const key = ring.keys.get(kek_id);
  if (key === undefined) throw new CodedError("credential_unreadable");
  return key;
}

function wrap(ring: Ring, plaintext: Uint8Array, aad: Uint8Array): Wrapped {
  const kek_id = ring.current_id;
  return { kek_id, wrapped: encrypt(keyOf(ring, kek_id).wrapping, plaintext, wrapAad(kek_id, aad)) };
}

function unwrap(ring: Ring, kek_id: string, wrapped: Uint8Array, aad: Uint8Array): Buffer {
  const plaintext = decrypt(keyOf(ring, kek_id).wrapping, wrapped, wrapAad(kek_id, aad));
  if (plaintext === null) throw new CodedError("credential_unreadable");
  return plaintext;
}

function masterKey(bytes: Buffer): MasterKey {
  return { bytes, wrapping: createSecretKey(hkdf(bytes, "holdfast wrap v1")) };
}

function derive(key: MasterKey, purpose: string): Buffer {
  return hkdf(key.bytes, `holdfast derive v1 ${purpose}`);
}

function wrapAad(kek_id: string, aad: Uint8Array): Buffer {
  return lengthPrefixed("holdfast wrap v1", kek_id, aad);
}
