/**
 * Changing the master key while servers run: a new first line in the key file, then every data key wrapped again under
 * it, then the old line dropped. Records are not touched; only the small wrapped data keys are.
 *
 * Each of the three steps can be killed anywhere and repeated: until the last one the file holds both keys, so
 * everything opens at any moment. With HOLDFAST_MASTER_KEY the operator does the first and third step by hand, on all
 * nodes: `old,new`, then `new,old`, then `rewrapAll`, then `new` (docs/token-format.md).
 *
 * Errors: `missing_master_key` (no key file), `configuration` (unusable, or another rotation is under way).
 */
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { ApiError } from "../core/errors.ts";
import { KEY_BYTES } from "./aead.ts";
import { dataKeyAad, type DataKeyRow, type DataKeyStore } from "./data-keys.ts";
import { keyFilePath, missingKey, readKeyFile, replaceKeyFile } from "./key-file.ts";
import { kekIdOf, type Keyring, type Wrapped } from "./keyring.ts";

/** Called after each durable step, so that a test can die there. */
type Step = (name: string) => void;
const noStep: Step = () => undefined;

/** Puts a new key first in `<data_dir>/master.key`. Running servers use it from their next new data key on. */
export function rotateMasterKey(data_dir: string, step: Step = noStep): { kek_id: string } {
  const path = keyFilePath(data_dir);
  return locked(path, () => {
    step("locked");
    const key = randomBytes(KEY_BYTES);
    replaceKeyFile(path, [key, ...readKeys(path)], step);
    return { kek_id: kekIdOf(key) };
  });
}

export interface RewrapResult {
  readonly rewrapped: number;
  /** Under the current key already, or taken care of by another node meanwhile. */
  readonly unchanged: number;
  /** Data keys that no key of the ring opens; left as they are. */
  readonly unreadable: readonly string[];
}

/** Wraps every data key under the current master key. Repeat it after an interruption: what is done is skipped. */
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
 * Drops from the key file the retired keys that no data key is wrapped under; answers their ids. The first line stays
 * in any case. A backup made before still needs the dropped keys: keep them as long as such backups are kept.
 */
export async function retireUnused(data_dir: string, data_keys: DataKeyStore, step: Step = noStep): Promise<string[]> {
  const path = keyFilePath(data_dir);
  // Only keys that were retired before the scan: one retired during it may have wrapped a row the scan had passed.
  const [, ...retired] = readKeys(path).map(kekIdOf);
  const used = new Set<string>();
  for await (const row of await data_keys.all()) used.add(row.kek_id);
  const dropped = retired.filter((kek_id) => !used.has(kek_id));
  if (dropped.length === 0) return [];
  locked(path, () => {
    step("locked");
    const [first, ...others] = readKeys(path);
    const kept = others.filter((key) => !dropped.includes(kekIdOf(key)));
    replaceKeyFile(path, first === undefined ? kept : [first, ...kept], step);
  });
  return dropped;
}

/** Null when no key of the ring opens it. */
function wrapAgain(keyring: Keyring, row: DataKeyRow): Wrapped | null {
  const aad = dataKeyAad(row);
  try {
    const bytes = keyring.unwrap(row.kek_id, row.wrapped, aad);
    const fresh = keyring.wrap(bytes, aad);
    bytes.fill(0);
    return fresh;
  } catch (error) {
    if (error instanceof ApiError && error.code === "credential_unreadable") return null;
    throw error;
  }
}

function readKeys(path: string): Buffer[] {
  const keys = readKeyFile(path);
  if (keys === null) throw missingKey(path);
  return keys;
}

/**
 * One change of the file at a time: of two rotations that read the same file the later rename would drop the other's
 * new key, and with it whatever was wrapped under it meanwhile.
 */
function locked<T>(path: string, action: () => T): T {
  const lock = `${path}.lock`;
  if (!tryLock(lock)) {
    removeStale(lock);
    if (!tryLock(lock)) throw busy(lock);
  }
  try {
    return action();
  } finally {
    rmSync(lock, { force: true });
  }
}

function tryLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Removes the lock of a process that is gone. @throws ApiError when its process lives. */
function removeStale(lock: string): void {
  const aside = `${lock}.${process.pid}`;
  try {
    const owner = readFileSync(lock, "utf8");
    if (isAlive(owner)) throw busy(lock);
    // Moved first and looked at again: somebody else may have removed the stale lock and taken a fresh one just now.
    renameSync(lock, aside);
    if (readFileSync(aside, "utf8") !== owner) {
      renameSync(aside, lock);
      throw busy(lock);
    }
    rmSync(aside);
  } catch (error) {
    // Its owner, or another one who found it stale, was faster. Then it is free, or taken again: the next try tells.
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

/** An empty lock is one that is being written. Our own id is a former process's: nothing here waits under the lock. */
function isAlive(owner: string): boolean {
  const pid = Number(owner);
  if (owner === "" || !Number.isInteger(pid) || pid <= 0) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

function busy(lock: string): ApiError {
  return new ApiError("configuration", {
    message: `Another process is changing the master key. Try again when it is done. If none is, delete ${lock}.`,
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}
