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

/**
 * Removes source map comments. esbuild would open the file that such a comment names, and quote it
 * in the error: `//# sourceMappingURL=file:///etc/passwd`.
 */
export function withoutMapComments(contents: string): string {
  return contents.replaceAll("sourceMappingURL=", "sourceMappingURL:");
}

/** Returns an error for esbuild, which adds the place of the import. */
export const mistake = (text: string): OnLoadResult & { errors: { text: string }[] } => ({ errors: [{ text }] });
