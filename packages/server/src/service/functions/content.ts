/**
 * The stored content of functions: sources, bundles, source maps and locks, by digest. It is
 * compressed, because SQLite writes on the thread that serves token reads: an uncompressed bundle
 * of 20 MB would delay all readers by about 90 ms. Compression runs on other threads.
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { CodedError } from "../../core/errors.ts";
import type { FunctionBlobsTable } from "../../store/function-tables.ts";
import type { FunctionRow } from "../../store/tables.ts";
import type { FunctionsState } from "./types.ts";

/** Returns the digest of a text. Content is stored once per digest. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** Returns a row for each distinct text. `size` counts the bytes before compression. */
export async function contentOf(texts: readonly string[]): Promise<readonly FunctionBlobsTable[]> {
  return await Promise.all(
    [...new Set(texts)].map(async (text) => ({
      digest: digestOf(text),
      size: Buffer.byteLength(text),
      bytes: await promisify(gzip)(text),
    })),
  );
}

/**
 * Returns a text of a function's live version.
 *
 * @throws CodedError `function_unreadable`, or `database_busy` if the version was replaced and
 *   deleted meanwhile
 */
export async function readContent(
  { store, log }: Pick<FunctionsState, "store" | "log">,
  { app_id, name: function_name }: Pick<FunctionRow, "app_id" | "name">,
  digest: string,
): Promise<string> {
  const stored = await store.getFunctionBlob(digest);
  if (stored === null) throw new CodedError("database_busy");
  const text = await decompress(stored).catch((error: unknown) => {
    log.error("function_unreadable", { app_id, function_name, error });
    return null;
  });
  if (text !== null) return text;
  const message = `The stored files of the function ${function_name} are damaged. Delete it and deploy it again, or restore the database from a backup.`;
  throw new CodedError("function_unreadable", { message });
}

/** `size` limits the memory that damaged bytes can use. gzip's checksum detects other damage. */
async function decompress({ bytes, size }: Pick<FunctionBlobsTable, "bytes" | "size">): Promise<string> {
  const text = await promisify(gunzip)(bytes, { maxOutputLength: Math.max(size, 1) });
  return text.toString("utf8");
}
