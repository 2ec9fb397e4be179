/**
 * Checks the source files of a deployment. Paths are virtual and POSIX, and never reach a file
 * system unchecked. Refuses paths outside the function's own folder and `../../shared`, and paths
 * that a file system could confuse.
 *
 * Errors: CodedError `deployment_invalid`, which names the path.
 */
import { posix } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { hasInvisible } from "../../core/visible-text.ts";
import type { SourceFile, SourceTree } from "../../core/functions/functions.ts";
import type { Limits } from "../../core/limits.ts";
import { isJsonObject } from "../../core/types.ts";

/** A client's input. None of it is checked yet. */
export interface SentSource {
  readonly entry: string;
  readonly files: readonly unknown[];
}

type TreeLimits = Pick<Limits, "function_files" | "function_source_bytes">;

/** As long as file systems allow. */
const SEGMENT_BYTES = 255;
const PATH_BYTES = 1_024;
const PRINTED_LENGTH = 200;
const DRIVE = /^[A-Za-z]:/;

export function checkTree(function_name: string, sent: SentSource, limits: TreeLimits): SourceTree {
  const received = readFiles(sent.files, limits);
  const based = rebased(normalized(sent.entry), received);
  const levels = new Set([2, function_name.split("/").length + 1]);
  for (const file of based.files) requireInside(file, levels);
  requireDistinct(based.files);
  if (based.entry.startsWith("../"))
    throw refused(based.entry, "is the entry, but is outside the function's own folder");
  if (!based.files.some(({ path }) => path === based.entry))
    throw refused(based.entry, "is the entry, but is not among the files");
  const files = based.files.map(({ path, content }) => ({ path, content }));
  return { function_name, entry: based.entry, files };
}

/** A file with its path as the client wrote it, which messages name. */
interface ReceivedFile extends SourceFile {
  readonly sent: string;
}

/** Returns the files with normalized paths. Stops at the first that exceeds a limit. */
function readFiles(files: readonly unknown[], limits: TreeLimits): ReceivedFile[] {
  let left = limits.function_source_bytes;
  return files.map((file, index) => {
    if (!isJsonObject(file) || typeof file["path"] !== "string" || typeof file["content"] !== "string")
      throw refused(`files/${index}`, "needs a path and a content, both strings");
    const { path, content } = file;
    if (index >= limits.function_files) throw refused(path, `is one file too many: at most ${limits.function_files}`);
    if (!content.isWellFormed()) throw refused(path, "has a content that is not valid Unicode");
    left -= Buffer.byteLength(content);
    if (left < 0) throw refused(path, `exceeds the limit of ${limits.function_source_bytes} bytes for all files`);
    return { sent: path, path: normalized(path), content };
  });
}

/**
 * The public CLI sends paths relative to the entry's folder. With an entry below the function's
 * folder, `src/entry.ts`, the entry file itself is then sent as `entry.ts`, and `function.jsonc` as
 * `../function.jsonc`.
 */
function rebased(
  entry: string,
  files: readonly ReceivedFile[],
): { readonly entry: string; readonly files: readonly ReceivedFile[] } {
  const sent = new Set(files.map(({ path }) => path));
  const folder = posix.dirname(entry);
  if (folder === "." || sent.has(entry) || !sent.has(posix.basename(entry))) return { entry, files };
  return { entry, files: files.map((file) => ({ ...file, path: posix.join(folder, file.path) })) };
}

function normalized(path: string): string {
  if (!path.isWellFormed()) throw refused(path, "is not valid Unicode");
  if (path.includes("\0")) throw refused(path, "contains a NUL character");
  if (hasInvisible(path)) throw refused(path, "contains a control character, or one that changes the text's direction");
  if (path.includes("\\")) throw refused(path, "contains a backslash. Write paths with /");
  if (path.startsWith("/") || DRIVE.test(path)) throw refused(path, "is absolute. Paths are relative to the function");
  if (Buffer.byteLength(path) > PATH_BYTES) throw refused(path, `is longer than ${PATH_BYTES} bytes`);
  const result = posix.normalize(path);
  if (path === "" || result === "." || result.endsWith("/") || posix.basename(result) === "..")
    throw refused(path, "does not name a file");
  if (result.split("/").some((segment) => segment !== ".." && trimmed(segment) === ""))
    throw refused(path, "has a part of dots and spaces only");
  if (result.split("/").some((segment) => Buffer.byteLength(segment) > SEGMENT_BYTES))
    throw refused(path, `has a part that is longer than ${SEGMENT_BYTES} bytes`);
  return result;
}

/** Allows the function's own folder, and the shared one `levels` above it. */
function requireInside({ path, sent }: ReceivedFile, levels: ReadonlySet<number>): void {
  const segments = path.split("/");
  const up = segments.findIndex((segment) => segment !== "..");
  if (up === 0 || (levels.has(up) && segments[up] === "shared" && segments.length > up + 1)) return;
  throw refused(sent, "is outside the function's own folder and ../../shared");
}

/**
 * Refuses paths that name the same file on a case-insensitive file system, or that use a file as a
 * folder.
 */
function requireDistinct(files: readonly ReceivedFile[]): void {
  const known = new Set<string>();
  for (const { path, sent } of files) {
    if (known.has(folded(path))) throw refused(sent, "occurs twice, or differs only in case or in Unicode form");
    known.add(folded(path));
  }
  for (const { path, sent } of files)
    if (foldersOf(folded(path)).some((folder) => known.has(folder)))
      throw refused(sent, "lies below a path that is a file");
}

function foldersOf(path: string): readonly string[] {
  const segments = path.split("/");
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join("/"));
}

/** Some file systems ignore these in names, and others drop dots and spaces at a name's end. */
const IGNORED = /\p{Default_Ignorable_Code_Point}/gu;
const DROPPED = /[. ]+$/;

/**
 * Uppercase unites more letters, such as ß and ss. Lowercase before it also unites ẞ, which is
 * uppercase already.
 */
const folded = (path: string): string => {
  const cased = path.normalize("NFC").toLowerCase().toUpperCase().toLowerCase().normalize("NFC");
  return cased.replaceAll(IGNORED, "").split("/").map(trimmed).join("/");
};

/** Leaves the dots of `..`, which lead to the shared folder. */
const trimmed = (segment: string): string => (segment === ".." ? segment : segment.replace(DROPPED, ""));

function refused(path: string, message: string): CodedError {
  const printed = JSON.stringify(path.slice(0, PRINTED_LENGTH));
  return new CodedError("deployment_invalid", {
    message: `${printed} ${message}.`,
    errors: [{ name: path.slice(0, PRINTED_LENGTH).toWellFormed(), message }],
  });
}
