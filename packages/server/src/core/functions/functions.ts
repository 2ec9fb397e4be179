/** The parts of backend functions: names, source files, bundles, and the input of one call. */
import { CodedError } from "../errors.ts";
import type { AppId } from "../types.ts";

/** Uppercase is allowed because existing functions often have camelCase names. */
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
const MAX_SEGMENTS = 8;

/** Reports whether a text can name a function. Names can be nested: `crm/sync`. */
export function isFunctionName(text: string): boolean {
  const segments = text.split("/");
  return segments.length <= MAX_SEGMENTS && segments.every((segment) => SEGMENT.test(segment));
}

/** Returns the function names that a path can begin with, longest first: `a/b/c`, `a/b`, `a`. */
export function namesWithin(path: string): readonly string[] {
  const segments = path.replace(/^\//, "").split("/").slice(0, MAX_SEGMENTS);
  return segments
    .map((_, index) => segments.slice(0, index + 1).join("/"))
    .filter(isFunctionName)
    .toReversed();
}

/** Returns the error for an unknown name. It reveals nothing about other apps. */
export function functionNotFound(function_name: string): CodedError {
  const is_printable = isFunctionName(function_name) && function_name.length <= 200;
  return new CodedError(
    "function_not_found",
    is_printable ? { message: `No function is named ${function_name}.` } : {},
  );
}

/** A function that a path belongs to, and the rest of the path with a leading `/`. */
export interface FunctionMatch {
  readonly function_name: string;
  readonly path: string;
}

/**
 * One source file. The path is POSIX, normalized, and relative to the function's own folder:
 * `entry.ts`, `lib/x.ts`. Shared files are outside that folder: `../../shared/y.ts`. A nested
 * function can also use one more `..` for each further level of its name, as on disk:
 * `../../../shared/y.ts` for `crm/sync`.
 */
export interface SourceFile {
  readonly path: string;
  readonly content: string;
}

/** The source of one function. `entry` is the path of one of the files. */
export interface SourceTree {
  readonly function_name: string;
  readonly entry: string;
  readonly files: readonly SourceFile[];
}

export interface Bundled {
  /** One self-contained ES module. */
  readonly code: string;
  /** A source map (JSON) whose sources are paths of the tree. Empty: there is none. */
  readonly source_map: string;
  /** The lock file of the packages in the bundle. */
  readonly lock: string;
  /** Notes for the builder who deploys. */
  readonly notes: readonly string[];
  /** Imports that pin an SDK version other than the server's. The server's log names them. */
  readonly pins: readonly string[];
}

/** Turns a source tree into a bundle. */
export interface Bundler {
  /** @throws CodedError `function_invalid` that names specifier, file and line */
  bundle(tree: SourceTree, signal?: AbortSignal): Promise<Bundled>;
}

/** The input of one call of a function. Immutable: a new version is a new value. */
export interface LiveFunction {
  readonly app_id: AppId;
  readonly function_name: string;
  readonly version_id: string;
  /** The bundle, with its source map. */
  readonly code: string;
  readonly secrets: Readonly<Record<string, string>>;
  /** Changes whenever the secrets change. */
  readonly secrets_revision: string;
}

/** Returns a bundle's code with its source map, so that errors name the function's own files. */
export function withSourceMap({ code, source_map }: Pick<Bundled, "code" | "source_map">): string {
  if (source_map === "") return code;
  const base64 = Buffer.from(source_map).toString("base64");
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${base64}\n`;
}
