/**
 * Appends a source map to a bundle, so that an error in a function's log names the function's own
 * file and line.
 *
 * The map contains only paths inside the function's folder. Deno reads the files in a map when it
 * prints an error. A function could have its own map that names a file of the server.
 */
import { posix, relative, sep } from "node:path";
import { isJsonObject, type JsonValue } from "../core/types.ts";

const OTHER = "installed.js";

/**
 * Returns the code with its map. `own` has the real paths of the function's files, `root` their
 * folder.
 */
export function withSourceMap(
  code: string,
  map: string,
  { own, root, namespace }: { own: ReadonlySet<string>; root: string; namespace: string },
): string {
  const parsed: JsonValue = JSON.parse(map);
  if (!isJsonObject(parsed) || !Array.isArray(parsed["sources"])) return code;
  const sources = parsed["sources"].map((source: JsonValue) => {
    const path = (typeof source === "string" ? source : "").replace(`${namespace}:`, "");
    return own.has(path) ? relative(root, path).split(sep).join(posix.sep) : OTHER;
  });
  const { mappings, names = [] } = parsed;
  const safe = JSON.stringify({ version: 3, sources, names, mappings });
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(safe).toString("base64")}\n`;
}
