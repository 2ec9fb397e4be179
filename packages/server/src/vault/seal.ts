/**
 * Seals and opens credentials: plaintext to `Sealed` and back. vault/ owns master keys, data keys
 * and this format. It must not know tables, queries or providers. The store never sees a plaintext,
 * because only this file creates `Sealed`.
 *
 * A record is bound to its place (table, column, scope, row, generation). Moved anywhere else, or
 * replaced by an older generation of the same row, it does not open. Every failure is
 * `credential_unreadable`, without a hint about which check failed.
 *
 * Record: `version (1) | length of dek_id (1) | dek_id | nonce (12) | ciphertext | tag (16)`.
 * docs/token-format.md defines every byte, and packages/server/test/vault/vectors.json has
 * examples.
 */
import { createHmac } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import { ID_PATTERN } from "../core/ids.ts";
import { Secret } from "../core/secret.ts";
import { decrypt, encrypt, lengthPrefixed, utf8 } from "./aead.ts";
import { createDataKeys, DATA_KEY_LIMITS, type DataKey, type DataKeyLimits, type DataKeyStore } from "./data-keys.ts";
import { checkKeyring, type Keyring } from "./keyring.ts";

export type { DataKeyStore } from "./data-keys.ts";

declare const sealed_brand: unique symbol;
/** Bytes that only this file creates, so that a plaintext cannot be stored by mistake. */
export type Sealed = Uint8Array & { readonly [sealed_brand]: true };

/** The place of a record. Opening requires the same values. */
export interface SealContext {
  readonly table: string;
  readonly column: string;
  /** The app id or workspace id whose data key is used. */
  readonly scope: string;
  readonly row_id: string;
  /** Grows with each write of the row. 0 for tables without generations. */
  readonly generation: number;
}

export interface Vault {
  /**
   * Rejects with the store's error if it needs a data key from the database and the database is
   * unreachable.
   */
  seal(context: SealContext, plaintext: Secret): Promise<Sealed>;
  /** @throws CodedError `credential_unreadable` */
  open(context: SealContext, sealed: Sealed): Promise<Secret>;
  /**
   * Opens without I/O. Returns null if the data key is not cached.
   *
   * @throws CodedError `credential_unreadable`
   */
  openCached(context: SealContext, sealed: Sealed): Secret | null;
  /**
   * Returns an HMAC-SHA256 as hex. In one installation a text always has the same fingerprint.
   * Other installations give it other fingerprints.
   */
  fingerprint(secret: Secret): string;
  /**
   * Reserves encryptions for the scope. Call it before an irreversible step whose result must be
   * sealed.
   */
  prepare(scope: string): Promise<void>;
  /** Drops the scope's data keys from memory, when an app is deleted. */
  evict(scope: string): void;
}

const VERSION = 1;
/** The version and the length. */
const FIXED_BYTES = 2;
/**
 * The key of this scope computes fingerprints and never encrypts. It is never replaced, so
 * fingerprints stay comparable.
 */
export const FINGERPRINT_SCOPE = "installation/fingerprint";

/**
 * Creates the vault. Reads the installation's fingerprint key, or creates it in an empty database.
 *
 * @throws CodedError `wrong_master_key` if the keyring does not have the data's master key
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
      if (context.scope === FINGERPRINT_SCOPE) throw new TypeError(`The key of ${FINGERPRINT_SCOPE} never encrypts.`);
      return encode(await keys.take(context.scope), context, plaintext);
    },
    open: async (context, sealed) => {
      const dek_id = dekIdOf(sealed);
      return decode(keys.cached(dek_id) ?? (await keys.load(dek_id)), context, sealed);
    },
    openCached: (context, sealed) => {
      const key = keys.cached(dekIdOf(sealed));
      return key === null ? null : decode(key, context, sealed);
    },
    fingerprint: (secret) => createHmac("sha256", fingerprint_key).update(secret.expose(), "utf8").digest("hex"),
    prepare: (scope) => keys.prepare(scope),
    evict: (scope) => keys.evict(scope),
  };
}

/** Marks stored bytes as sealed. Opening them checks that they are. */
export function sealedFromStorage(bytes: Uint8Array): Sealed {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the only place where bytes become Sealed.
  return bytes as Sealed;
}

function encode({ dek_id, key }: DataKey, context: SealContext, plaintext: Secret): Sealed {
  const id = Buffer.from(dek_id, "ascii");
  const text = utf8(plaintext.expose());
  const box = encrypt(key, text, associatedData(context, dek_id));
  text.fill(0);
  return sealedFromStorage(Buffer.concat([Uint8Array.of(VERSION, id.length), id, box]));
}

function decode(key: DataKey, context: SealContext, sealed: Sealed): Secret {
  // Another scope's key never opens this record, even if a forged record names it.
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

/**
 * Returns `version | table | column | scope | row_id | generation | dek_id`, each with its length.
 */
function associatedData(context: SealContext, dek_id: string): Buffer {
  const { table, column, scope, row_id, generation } = context;
  if (!Number.isSafeInteger(generation) || generation < 0)
    throw new TypeError("A generation must be a whole number from 0.");
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(generation));
  return lengthPrefixed(Uint8Array.of(VERSION), table, column, scope, row_id, counter, dek_id);
}

function unreadable(): CodedError {
  return new CodedError("credential_unreadable");
}
