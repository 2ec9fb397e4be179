/**
 * The master keys (KEKs): the current one wraps data keys, retired ones still unwrap. A key never leaves this file; what
 * goes out are wrapped data keys and keys derived for one purpose.
 *
 * A `kek_id` is the first 16 hex digits of HMAC-SHA256(key, "holdfast kek id v1"): it names a key without revealing it,
 * and so doubles as the check that this is the right key. Formats: docs/token-format.md.
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { ApiError } from "../core/errors.ts";
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
  /** The key that wraps. Another one after `refresh`, when the key file was rotated. */
  readonly current: { readonly kek_id: string };
  /** Every key that can unwrap, current first. */
  ids(): readonly string[];
  has(kek_id: string): boolean;
  /** Wraps under the current key; `aad` is bound to the result. */
  wrap(plaintext: Uint8Array, aad: Uint8Array): Wrapped;
  /** @throws ApiError `credential_unreadable`: the key is not here, or these bytes are not what it wrapped. */
  unwrap(kek_id: string, wrapped: Uint8Array, aad: Uint8Array): Buffer;
  /** 32 bytes for one purpose, from the current key. They change when the master key is rotated. */
  deriveKey(purpose: string): Buffer;
  /** The same from every key, current first: for checking what was signed before a rotation. */
  deriveKeys(purpose: string): readonly Buffer[];
  /** Reads the key file again, since another process may have rotated it. Keys known so far go on opening. */
  refresh(): void;
}

export interface KeyringOptions {
  readonly data_dir: string;
  /** What HOLDFAST_MASTER_KEY held; it goes before the file. */
  readonly master_key: Secret | null;
  /** Whether the database has anything in it. With data, no key is ever made. */
  readonly has_data: boolean;
}

/**
 * The keys of HOLDFAST_MASTER_KEY, else of `<data_dir>/master.key`. With neither and no data, makes the file.
 *
 * @throws ApiError `missing_master_key` or `configuration`, both exit 78.
 */
export function loadKeyring(options: KeyringOptions): Keyring {
  if (options.master_key !== null) return createKeyring(parseKeyList(options.master_key.expose()), () => null);
  const path = keyFilePath(options.data_dir);
  const found = readKeyFile(path);
  if (found !== null) return createKeyring(found, () => readKeyFile(path));
  if (options.has_data) throw missingKey(path);
  createKeyFile(options.data_dir);
  // Read back, not remembered: of two processes that start at once both must use the key that is on disk.
  const made = readKeyFile(path);
  if (made === null) throw missingKey(path);
  return createKeyring(made, () => readKeyFile(path));
}

/**
 * Before anything is read or written, each key id that the database names must be here.
 *
 * @throws ApiError `wrong_master_key`, exit 78.
 */
export function checkKeyring(keyring: Keyring, stored_kek_ids: readonly string[]): void {
  const absent = [...new Set(stored_kek_ids)].filter((kek_id) => !keyring.has(kek_id));
  if (absent.length === 0) return;
  throw new ApiError("wrong_master_key", {
    message: `The data is encrypted under master key ${absent.join(", ")}, but the key given here is ${keyring.ids().join(", ")}. Restore the master.key (or HOLDFAST_MASTER_KEY) that belongs to this data. Nothing was changed.`,
  });
}

export function kekIdOf(key: Uint8Array): string {
  return createHmac("sha256", key).update("holdfast kek id v1").digest("hex").slice(0, 16);
}

interface MasterKey {
  readonly bytes: Buffer;
  /** Wrapping has a key of its own, so that no key serves two algorithms. */
  readonly wrapping: KeyObject;
}

function createKeyring(keys: readonly Buffer[], reread: () => readonly Buffer[] | null): Keyring {
  let ring = new Map<string, MasterKey>();
  let current_id = "";
  /** Fresh keys first, in their order; keys known before stay behind them and go on opening. */
  const take = (fresh: readonly Buffer[]): void => {
    const known = ring;
    ring = new Map(fresh.map((bytes) => [kekIdOf(bytes), masterKey(bytes)]));
    current_id = ring.keys().next().value ?? current_id;
    for (const [kek_id, key] of known) if (!ring.has(kek_id)) ring.set(kek_id, key);
  };
  const get = (kek_id: string): MasterKey => {
    const key = ring.get(kek_id);
    if (key === undefined) throw new ApiError("credential_unreadable");
    return key;
  };
  take(keys);

  return {
    get current() {
      return { kek_id: current_id };
    },
    ids: () => [...ring.keys()],
    has: (kek_id) => ring.has(kek_id),
    wrap: (plaintext, aad) => ({
      kek_id: current_id,
      wrapped: encrypt(get(current_id).wrapping, plaintext, wrapAad(current_id, aad)),
    }),
    unwrap: (kek_id, wrapped, aad) => {
      const plaintext = decrypt(get(kek_id).wrapping, wrapped, wrapAad(kek_id, aad));
      if (plaintext === null) throw new ApiError("credential_unreadable");
      return plaintext;
    },
    deriveKey: (purpose) => derive(get(current_id), purpose),
    deriveKeys: (purpose) => [...ring.values()].map((key) => derive(key, purpose)),
    refresh: () => {
      try {
        take(reread() ?? []);
      } catch {
        // A file that became unusable stops the next start, with its reason. Running on the known keys loses nothing.
      }
    },
  };
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
