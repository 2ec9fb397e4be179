/** The lock on a data directory, so that one server at a time serves it. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { CodedError } from "../core/errors.ts";

const LOCK_FILE = "serve.lock";

/**
 * Acquires the exclusive right to serve a data directory. Returns the function that releases it.
 *
 * The operating system drops the lock when the process ends, however it ends. Commands open the
 * database without this lock.
 *
 * @throws CodedError `database_in_use` (exit code 75)
 */
export function lockDataDirectory(data_dir: string): () => void {
  const lock = new Database(join(data_dir, LOCK_FILE), { timeout: 0 });
  try {
    lock.exec("begin exclusive");
  } catch (error) {
    lock.close();
    throw new CodedError("database_in_use", {
      message: `Another holdfast server already serves ${data_dir}. Stop it first, or use another --data-dir.`,
      cause: error,
    });
  }
  return () => lock.close();
}
