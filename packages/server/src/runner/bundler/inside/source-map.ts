/**
 * Makes the source map of a bundle safe to pass on. An error in a function's log then names the
 * function's own file and line.
 *
 * The map contains only paths of the function's files. Deno reads the files in a map when it prints
 * an error. A package could have a map of its own that names a file of the server.
 */
import { isJsonObject, type JsonValue } from "../../../core/types.ts";

/** The source of everything that is not the function's own. */
const OTHER = "installed.js";

/** `ownPath` returns the function's own path of a source, or null. */
export function portableMap(map: string, ownPath: (source: string) => string | null): string {
  const parsed: JsonValue = JSON.parse(map);
  if (!isJsonObject(parsed) || !Array.isArray(parsed["sources"])) return "";
  const sources = parsed["sources"].map((source: JsonValue) =>
    typeof source === "string" ? (ownPath(source) ?? OTHER) : OTHER,
  );
  const { mappings = "", names = [] } = parsed;
  // The mappings refer to the names of what was renamed. With one missing, Deno uses no map at all.
  return JSON.stringify({ version: 3, sources, names, mappings });
}
