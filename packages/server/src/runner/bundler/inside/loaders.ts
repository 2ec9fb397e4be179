/** How esbuild reads each kind of file. */
import type { Loader, OnLoadResult } from "esbuild";

/** By the end of a file's name. Other files need a type. */
export const LOADERS: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".js": "js",
  ".mjs": "js",
  ".cjs": "js",
  ".jsx": "jsx",
  ".json": "json",
};
/** By the type of an import: `with { type: "text" }`. */
export const ATTRIBUTE_LOADERS: Readonly<Record<string, Loader>> = { json: "json", text: "text", bytes: "binary" };
/** By the type that Deno found for a fetched module. */
export const MEDIA_LOADERS: Readonly<Record<string, Loader>> = {
  JavaScript: "js",
  Mjs: "js",
  JSX: "jsx",
  TypeScript: "ts",
  Mts: "ts",
  TSX: "tsx",
  Json: "json",
};

const CODE_LOADERS: ReadonlySet<Loader> = new Set<Loader>(["js", "jsx", "ts", "tsx"]);

/** A source map without a version, which esbuild ignores. */
const NO_MAP = "\n//# sourceMappingURL=data:application/json,{}";

/**
 * Makes esbuild ignore the source maps that comments of a file name. esbuild would open the file
 * `//# sourceMappingURL=file:///etc/passwd`, and quote it in its error. It reads only the last such
 * comment, so appending one is enough. Removing the comments could also change strings.
 */
export function withoutMaps(contents: string, loader: Loader): string {
  return CODE_LOADERS.has(loader) ? contents + NO_MAP : contents;
}

/** Returns an error for esbuild, which adds the place of the import. */
export const mistake = (text: string): OnLoadResult & { errors: { text: string }[] } => ({ errors: [{ text }] });
