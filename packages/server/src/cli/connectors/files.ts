/**
 * Connector files: `connectors/<type>.jsonc` with `{ type, scopes }`, the same files that the
 * public CLI writes. Only `scopes` is ever replaced in a file. Its comments, other keys and layout
 * stay.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { applyEdits, modify, parse, printParseErrorCode, type ParseError } from "jsonc-parser";
import { errnoOf } from "../../core/errno.ts";
import { CodedError } from "../../core/errors.ts";
import { sameScopes } from "../../core/scopes.ts";
import { isJsonObject } from "../../core/types.ts";
import { replaceFile } from "../../files/replace-file.ts";

/** The public CLI's pattern. */
const TYPE_PATTERN = /^[a-z0-9_-]+$/i;

export interface ConnectorFile {
  readonly path: string;
  readonly type: string;
  /** An empty list stands for the catalog's defaults. */
  readonly scopes: readonly string[];
}

export type DeclaredConnector = Omit<ConnectorFile, "path">;

/** Returns the files sorted by type. A directory that does not exist has none. */
export function readConnectorFiles(directory: string): readonly ConnectorFile[] {
  const files = namesIn(directory)
    .filter((name) => /\.jsonc?$/.test(name))
    .map((name) => readConnectorFile(join(directory, name)))
    .toSorted((a, b) => (a.type < b.type ? -1 : 1));
  const twice = files.find((file, index) => files[index - 1]?.type === file.type);
  if (twice !== undefined) {
    const paths = files.filter(({ type }) => type === twice.type).map(({ path }) => path);
    throw invalid(`${paths.join(" and ")} are both for ${twice.type}. Keep one of them.`);
  }
  return files;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw invalid(`${directory} cannot be read: it must be a directory of connector files.`);
  }
}

function readConnectorFile(path: string): ConnectorFile {
  const text = withoutMark(readFileSync(path, "utf8"));
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined) throw invalid(`${path}:${lineOf(text, first.offset)}: ${printParseErrorCode(first.error)}.`);
  const example = 'Example: { "type": "…", "scopes": [] }';
  if (!isJsonObject(value)) throw invalid(`${path} must contain one object. ${example}`);
  const { type, scopes = [] } = value;
  if (typeof type !== "string" || !TYPE_PATTERN.test(type))
    throw invalid(`${path}: "type" must be the name of a service. ${example}`);
  if (!isStrings(scopes)) throw invalid(`${path}: "scopes" must be a list of strings. ${example}`);
  return { path, type, scopes };
}

export interface PullPlan {
  readonly written: readonly { readonly path: string; readonly type: string; readonly text: string }[];
  readonly unchanged: readonly string[];
  /** Files of connectors that the app does not have. */
  readonly deleted: readonly ConnectorFile[];
}

/** Plans the changes that make the files match the server. */
export function planPull(directory: string, remote: readonly DeclaredConnector[]): PullPlan {
  const files = new Map(readConnectorFiles(directory).map((file) => [file.type, file]));
  const types = new Set(remote.map(({ type }) => type));
  for (const { type } of remote) {
    // The name becomes part of a path, which must not leave the directory.
    if (!TYPE_PATTERN.test(type)) throw new CodedError("invalid_answer");
  }
  const changed = remote.filter(({ type, scopes }) => {
    const file = files.get(type);
    return file === undefined || !sameScopes(file.scopes, scopes);
  });
  return {
    written: changed.map(({ type, scopes }) => {
      const path = files.get(type)?.path ?? join(directory, `${type}.jsonc`);
      return { path, type, text: files.has(type) ? withScopes(path, scopes) : newFile(type, scopes) };
    }),
    unchanged: remote.filter((one) => !changed.includes(one)).map(({ type }) => type),
    deleted: [...files.values()].filter(({ type }) => !types.has(type)),
  };
}

export function applyPull(directory: string, { written, deleted }: PullPlan): void {
  if (written.length > 0) mkdirSync(directory, { recursive: true });
  for (const { path, text } of written) replaceFile(path, text);
  for (const { path } of deleted) rmSync(path, { force: true });
}

const newFile = (type: string, scopes: readonly string[]): string => `${JSON.stringify({ type, scopes }, null, 2)}\n`;

function withScopes(path: string, scopes: readonly string[]): string {
  const text = withoutMark(readFileSync(path, "utf8"));
  const indent = /\n([ \t]+)"/.exec(text)?.[1] ?? "  ";
  const formattingOptions = { insertSpaces: !indent.startsWith("\t"), tabSize: indent.length, eol: "\n" };
  return applyEdits(text, modify(text, ["scopes"], [...scopes], { formattingOptions }));
}

/** Removes the byte order mark, which some editors write. */
const withoutMark = (text: string): string => text.replace(/^\uFEFF/, "");

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split("\n").length;

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

const invalid = (message: string): CodedError => new CodedError("connector_file_invalid", { message });
