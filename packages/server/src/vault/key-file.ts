/**
 * `<data_dir>/master.key` and HOLDFAST_MASTER_KEY: reads, checks, creates and replaces master keys.
 *
 * The file is text with mode 0600 and one line per key: `holdfast-key-v1 <base64 of 32 bytes>`. The
 * first line is the current key. The others are retired, and still unwrap the data keys that they
 * wrapped. No message contains a part of a key.
 *
 * Errors: `missing_master_key` (data without a key) and `configuration` (unusable key), both exit
 * 78.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../core/errno.ts";
import { CodedError } from "../core/errors.ts";
import { KEY_BYTES } from "./aead.ts";

const KEY_FILE = "master.key";
const LINE_FORMAT = "holdfast-key-v1";
const HOW_TO_CREATE = "Create one with: openssl rand -base64 32";
/** Files that a used data directory contains. */
const DATA_FILE = /\.(db|sqlite|sqlite3)(-wal|-journal)?$|^spill\.bin$/;

export const keyFilePath = (data_dir: string): string => join(data_dir, KEY_FILE);

/**
 * Returns the keys in the file, the current one first. Null if there is no file.
 *
 * @throws CodedError `configuration` if other users can read the file, or a line is not a key
 */
export function readKeyFile(path: string): Buffer[] | null {
  const text = readPrivate(path);
  if (text === null) return null;
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.flatMap((line, at) => (line === "" ? [] : [parseLine(line, `${path}, line ${at + 1},`)]));
  if (keys.length === 0) {
    throw unusable(
      `${path} is empty. Restore the key from your backup. If there is no data yet, delete the file and start again.`,
    );
  }
  return keys;
}

/** Parses HOLDFAST_MASTER_KEY: keys in base64, separated by commas, the current one first. */
export function parseKeyList(text: string): Buffer[] {
  const entries = text.split(",");
  return entries.map((entry, at) => parseKey(entry, `HOLDFAST_MASTER_KEY, key ${at + 1} of ${entries.length},`));
}

/**
 * Creates the first key of a new installation, in a data directory without data. Durable when it
 * returns.
 *
 * @throws CodedError `missing_master_key` if the directory contains a database. Its key exists
 *   elsewhere, and a new key would hide that
 * @throws CodedError `configuration` if there is a key file
 */
export function createKeyFile(data_dir: string): void {
  mkdirSync(data_dir, { recursive: true, mode: 0o700 });
  const data = readdirSync(data_dir).find((name) => DATA_FILE.test(name) && statSync(join(data_dir, name)).size > 0);
  const path = keyFilePath(data_dir);
  if (data !== undefined) throw missingKey(path, ` (${data} is there)`);
  // O_EXCL alone would fail with EEXIST, which does not say what to do.
  if (existsSync(path)) throw unusable(`${path} already exists. It is never overwritten.`);
  writeDurably(path, formatKeys([randomBytes(KEY_BYTES)]));
}

/** Replaces the file's keys atomically: a reader sees the old keys or the new ones. */
export function replaceKeyFile(path: string, keys: readonly Buffer[], step: (name: string) => void): void {
  // A symbolic link remains one.
  const target = realpathSync(path);
  const draft = `${target}.new`;
  // Left by a killed rotation. Its key was never used, because keys are used only after the rename.
  rmSync(draft, { force: true });
  writeDurably(draft, formatKeys(keys), statSync(target));
  step("written");
  renameSync(draft, target);
  step("renamed");
  syncDirectory(dirname(target));
}

export function missingKey(path: string, evidence = ""): CodedError {
  return new CodedError("missing_master_key", {
    message: `There is data${evidence}, but no master key at ${path}. Restore that file from your backup, or set HOLDFAST_MASTER_KEY. No new key was created, because it could not decrypt the data.`,
  });
}

/**
 * Creates the file and syncs it to disk. Root can rotate the keys of a service that runs as another
 * user, so the file gets that owner. A file that the service cannot read is an outage.
 */
function writeDurably(path: string, text: string, owner?: { uid: number; gid: number }): void {
  const file = openSync(path, "wx", 0o600);
  try {
    const stat = fstatSync(file);
    if (owner !== undefined && (owner.uid !== stat.uid || owner.gid !== stat.gid))
      fchownSync(file, owner.uid, owner.gid);
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncDirectory(dirname(path));
}

/**
 * Syncs the directory entry. Otherwise a power failure can undo the rename, although the file's
 * content is safe.
 */
function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function readPrivate(path: string): string | null {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return null;
    throw unusable(`${path} cannot be opened. Its owner must be the user that Holdfast runs as.`, cause);
  }
  try {
    // Check the open file. By now, its name could lead to a different file.
    const stat = fstatSync(file);
    if (!stat.isFile()) throw unusable(`${path} is not a file.`);
    if ((stat.mode & 0o077) !== 0) throw unusable(`Other users can read or change ${path}. Run: chmod 600 ${path}`);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

function parseLine(line: string, where: string): Buffer {
  const [format, ...rest] = line.split(/\s+/);
  if (format !== LINE_FORMAT) {
    throw unusable(
      `${where} does not start with "${LINE_FORMAT}". A line is: ${LINE_FORMAT} <base64 of 32 bytes>. ${HOW_TO_CREATE}`,
    );
  }
  return parseKey(rest.join(""), where);
}

function parseKey(entry: string, where: string): Buffer {
  const text = entry.replaceAll(/\s/g, "");
  const key = Buffer.from(text, "base64");
  // Node skips characters that are not base64. Encoding the bytes again shows whether all of the
  // text was valid.
  if (key.toString("base64") !== text)
    throw unusable(`${where} is not base64 (with its = at the end). ${HOW_TO_CREATE}`);
  if (key.length !== KEY_BYTES)
    throw unusable(`${where} has ${key.length} bytes, but a key has ${KEY_BYTES}. ${HOW_TO_CREATE}`);
  return key;
}

function formatKeys(keys: readonly Buffer[]): string {
  return keys.map((key) => `${LINE_FORMAT} ${key.toString("base64")}\n`).join("");
}

function unusable(message: string, cause?: unknown): CodedError {
  return new CodedError("configuration", cause === undefined ? { message } : { message, cause });
}
