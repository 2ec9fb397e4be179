/**
 * Rotates the master key while servers run. The steps: add a new first line to the key file, wrap
 * every data key under it, remove the old lines. Records do not change. Only the small wrapped data
 * keys do.
 *
 * Each step can be killed at any point and repeated. Until the last step the file has both keys, so
 * everything can be decrypted at any moment. With HOLDFAST_MASTER_KEY the operator does the first
 * and the third step, on all nodes: `old,new`, then `new,old`, then `rewrapAll`, then `new`
 * (docs/token-format.md).
 *
 * Errors: `missing_master_key` (no key file), `configuration` (unusable file, or a rotation in
 * progress).
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { errnoOf } from "../core/errno.ts";
import { CodedError } from "../core/errors.ts";
import { tryLock } from "../files/lock-file.ts";
import { KEY_BYTES } from "./aead.ts";
import { dataKeyAad, type DataKeyRow, type DataKeyStore } from "./data-keys.ts";
import { keyFilePath, missingKey, readKeyFile, replaceKeyFile } from "./key-file.ts";
import { kekIdOf, type Keyring, type Wrapped } from "./keyring.ts";

/** Called after each durable step, so that a test can kill the process there. */
type Step = (name: string) => void;
const noStep: Step = () => undefined;

/**
 * Adds a new first key to `<data_dir>/master.key`. Running servers use it for their next new data
 * key.
 */
export function rotateMasterKey(data_dir: string, step: Step = noStep): { kek_id: string } {
  const path = keyFilePath(data_dir);
  return withLock(path, () => {
    step("locked");
    const key = randomBytes(KEY_BYTES);
    replaceKeyFile(path, [key, ...readKeys(path)], step);
    return { kek_id: kekIdOf(key) };
  });
}

export interface RewrapResult {
  readonly rewrapped: number;
  /** Already under the current key, or rewrapped by another node meanwhile. */
  readonly unchanged: number;
  /** Ids of the data keys that no key of the ring unwraps. They stay as they are. */
  readonly unreadable: readonly string[];
}

/** Wraps every data key under the current master key. Can be repeated after an interruption. */
export async function rewrapAll(keyring: Keyring, data_keys: DataKeyStore): Promise<RewrapResult> {
  let rewrapped = 0;
  let unchanged = 0;
  const unreadable: string[] = [];
  for await (const row of await data_keys.all()) {
    if (row.kek_id === keyring.current.kek_id) {
      unchanged += 1;
      continue;
    }
    const fresh = wrapAgain(keyring, row);
    if (fresh === null) {
      unreadable.push(row.dek_id);
      continue;
    }
    if (await data_keys.rewrap(row.dek_id, row.kek_id, fresh.wrapped, fresh.kek_id)) rewrapped += 1;
    else unchanged += 1;
  }
  return { rewrapped, unchanged, unreadable };
}

/**
 * Removes the retired keys under which no data key is wrapped, and returns their ids. Always keeps
 * the first line. An older backup still needs the removed keys, so keep them as long as such
 * backups.
 */
export async function retireUnused(data_dir: string, data_keys: DataKeyStore, step: Step = noStep): Promise<string[]> {
  const path = keyFilePath(data_dir);
  // Remove only keys retired before the scan. A key retired during the scan may have wrapped a row
  // that was already read.
  const [, ...retired] = readKeys(path).map(kekIdOf);
  const used = new Set<string>();
  for await (const row of await data_keys.all()) used.add(row.kek_id);
  const removed = retired.filter((kek_id) => !used.has(kek_id));
  if (removed.length === 0) return [];
  withLock(path, () => {
    step("locked");
    const [first, ...others] = readKeys(path);
    const kept = others.filter((key) => !removed.includes(kekIdOf(key)));
    replaceKeyFile(path, first === undefined ? kept : [first, ...kept], step);
  });
  return removed;
}

/** Returns null if no key of the ring unwraps the row. */
function wrapAgain(keyring: Keyring, row: DataKeyRow): Wrapped | null {
  const aad = dataKeyAad(row);
  try {
    const bytes = keyring.unwrap(row.kek_id, row.wrapped, aad);
    const fresh = keyring.wrap(bytes, aad);
    bytes.fill(0);
    return fresh;
  } catch (error) {
    if (error instanceof CodedError && error.code === "credential_unreadable") return null;
    throw error;
  }
}

function readKeys(path: string): Buffer[] {
  const keys = readKeyFile(path);
  if (keys === null) throw missingKey(path);
  return keys;
}

/**
 * Runs one change of the key file at a time. If two rotations read the same file, the later rename
 * would drop the other's new key, and the data keys wrapped under it meanwhile.
 */
function withLock<T>(path: string, action: () => T): T {
  const lock = tryLock(`${path}.lock`, isDead);
  if (lock.kind === "busy") {
    throw new CodedError("configuration", {
      message: `Another process is changing the master key. Try again when it is done. If no such process exists, delete ${lock.path}.`,
    });
  }
  try {
    return action();
  } finally {
    lock.release();
  }
}

/** Reports whether the process that created the lock no longer exists. */
function isDead(lock_path: string): boolean {
  const owner = readFileSync(lock_path, "utf8");
  const pid = Number(owner);
  // An empty lock is being written.
  if (owner === "" || !Number.isInteger(pid) || pid <= 0) return false;
  // A lock with our own id is from a former process, because this process holds one lock at a time.
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errnoOf(error) !== "EPERM";
  }
}
