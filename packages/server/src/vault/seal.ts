/**
 * Seals credentials: text in, `Sealed` out, and back. The only place where a credential is in the clear next to its key.
 *
 * A record is bound to where it belongs (table, column, scope, row, generation): moved anywhere else, or to an older
 * generation of the same row, it does not open. Every failure to open is `credential_unreadable`, without a hint of
 * which check failed. Nothing is written here, so a record that cannot be opened stays as it is.
 *
 * Record: `version (1) | length of dek_id (1) | dek_id | nonce (12) | ciphertext | tag (16)`. docs/token-format.md has
 * every byte, and packages/server/test/vault/vectors.json has examples. Knows no table and no query.
 */
import { createHmac } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { ID_PATTERN } from "../core/ids.ts";
import { Secret } from "../core/secret.ts";
import { decrypt, encrypt, lengthPrefixed, utf8 } from "./aead.ts";
import { createDataKeys, DATA_KEY_LIMITS, type DataKey, type DataKeyLimits, type DataKeyStore } from "./data-keys.ts";
import { checkKeyring, type Keyring } from "./keyring.ts";

export type { DataKeyStore } from "./data-keys.ts";

declare const sealed_brand: unique symbol;
/** Bytes that only this file can make, so that the store's columns cannot be handed a plaintext by mistake. */
export type Sealed = Uint8Array & { readonly [sealed_brand]: true };

/** Where a record belongs. All of it must be the same at opening. */
export interface SealContext {
  readonly table: string;
  readonly column: string;
  /** App id or workspace id: whose data key is used. */
  readonly scope: string;
  readonly row_id: string;
  /** Grows with each write of the row; 0 where rows have none. */
  readonly generation: number;
}

export interface Vault {
  /** Rejects with the store's error when a data key must be made or counted and the database is away. */
  seal(context: SealContext, plaintext: Secret): Promise<Sealed>;
  /** @throws ApiError `credential_unreadable`. */
  open(context: SealContext, sealed: Sealed): Promise<Secret>;
  /** `open` without waiting: null when the data key is not in memory. @throws ApiError `credential_unreadable`. */
  openCached(context: SealContext, sealed: Sealed): Secret | null;
  /** HMAC-SHA256 as hex: the same for the same text in this installation for good, meaningless elsewhere. */
  fingerprint(secret: Secret): string;
  /** Has encryptions in hand for the scope: call it before doing what cannot be undone without sealing. */
  prepare(scope: string): Promise<void>;
  /** Drops the scope's data keys from memory: when an app is deleted. */
  forget(scope: string): void;
}

const VERSION = 1;
/** Version and length. */
const FIXED_BYTES = 2;
/** Its key computes fingerprints and never encrypts, so it is never replaced: stored fingerprints stay comparable. */
export const FINGERPRINT_SCOPE = "installation/fingerprint";

/**
 * Reads the installation's fingerprint key, or makes it in an empty database.
 *
 * @throws ApiError `wrong_master_key` when the data belongs to a master key that is not in the keyring.
 */
export async function createVault(options: {
  readonly keyring: Keyring;
  readonly data_keys: DataKeyStore;
  readonly clock: Clock;
  readonly limits?: Partial<DataKeyLimits>;
}): Promise<Vault> {
  const existing = await options.data_keys.current(FINGERPRINT_SCOPE);
  if (existing !== null) checkKeyring(options.keyring, [existing.kek_id]);
  const keys = createDataKeys({ ...options, limits: { ...DATA_KEY_LIMITS, ...options.limits } });
  const fingerprint_key = (await keys.permanent(FINGERPRINT_SCOPE)).key;

  return {
    seal: async (context, plaintext) => {
      if (context.scope === FINGERPRINT_SCOPE) throw new TypeError(`Nothing is sealed under ${FINGERPRINT_SCOPE}.`);
      return write(await keys.take(context.scope), context, plaintext);
    },
    open: async (context, sealed) => {
      const dek_id = dekIdOf(sealed);
      return read(keys.cached(dek_id) ?? (await keys.load(dek_id)), context, sealed);
    },
    openCached: (context, sealed) => {
      const key = keys.cached(dekIdOf(sealed));
      return key === null ? null : read(key, context, sealed);
    },
    fingerprint: (secret) => createHmac("sha256", fingerprint_key).update(secret.expose(), "utf8").digest("hex"),
    prepare: (scope) => keys.prepare(scope),
    forget: (scope) => keys.forget(scope),
  };
}

/** For the reader of stored columns: these bytes were sealed once, and opening them checks that. */
export function sealedFromStorage(bytes: Uint8Array): Sealed {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place where bytes become Sealed.
  return bytes as Sealed;
}

function write({ dek_id, key }: DataKey, context: SealContext, plaintext: Secret): Sealed {
  const id = Buffer.from(dek_id, "ascii");
  const text = utf8(plaintext.expose());
  const box = encrypt(key, text, associatedData(context, dek_id));
  text.fill(0);
  return sealedFromStorage(Buffer.concat([Uint8Array.of(VERSION, id.length), id, box]));
}

function read(key: DataKey, context: SealContext, sealed: Sealed): Secret {
  // Another app's key never opens anything here, whatever a damaged or forged record names.
  if (key.scope !== context.scope) throw unreadable();
  const box = sealed.subarray(FIXED_BYTES + (sealed[1] ?? 0));
  const text = decrypt(key.key, box, associatedData(context, key.dek_id));
  if (text === null) throw unreadable();
  const plaintext = new Secret(text.toString("utf8"));
  text.fill(0);
  return plaintext;
}

function dekIdOf(sealed: Sealed): string {
  const length = sealed[1] ?? 0;
  const id = Buffer.from(sealed.subarray(FIXED_BYTES, FIXED_BYTES + length)).toString("latin1");
  if (sealed[0] !== VERSION || id.length !== length || !ID_PATTERN.test(id)) throw unreadable();
  return id;
}

/** `version | table | column | scope | row_id | generation | dek_id`, each with its length before it. */
function associatedData(context: SealContext, dek_id: string): Buffer {
  const { table, column, scope, row_id, generation } = context;
  if (!Number.isSafeInteger(generation) || generation < 0)
    throw new TypeError("A generation is a whole number from 0.");
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(generation));
  return lengthPrefixed(Uint8Array.of(VERSION), table, column, scope, row_id, counter, dek_id);
}

function unreadable(): ApiError {
  return new ApiError("credential_unreadable");
}
