/** The shapes of a bundler: a function's source files in, one module out. */

/**
 * One source file. The path is POSIX, normalized, and relative to the function's own folder:
 * `entry.ts`, `lib/x.ts`. Shared files are outside of it: `../../shared/y.ts`.
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
  /** A source map (JSON) whose sources are paths of the tree. */
  readonly source_map: string;
  /** The lock file of the packages in the bundle. */
  readonly lock: string;
  /** What the person who deploys should know. */
  readonly notes: readonly string[];
}

export interface Bundler {
  /** @throws CodedError `function_invalid` that names specifier, file and line */
  bundle(tree: SourceTree, signal?: AbortSignal): Promise<Bundled>;
}
