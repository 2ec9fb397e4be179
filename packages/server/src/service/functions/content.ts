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

/** @throws CodedError `database_busy` if the version was replaced and deleted meanwhile */
export async function readContent({ store, limits }: FunctionsState, digest: string): Promise<string> {
  const bytes = await store.getFunctionBlob(digest);
  if (bytes === null) throw new CodedError("database_busy");
  const text = await promisify(gunzip)(bytes, { maxOutputLength: limits.function_content_bytes });
  return text.toString("utf8");
}
