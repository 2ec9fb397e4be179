/**
 * Reads the `imports` of a function's deno.json, which give packages a short name. The rest of the
 * file is for tools on the author's machine. Each import still goes through the same checks as one
 * in the code.
 */
import { parse, type ParseError } from "jsonc-parser";
import { CodedError } from "../../core/errors.ts";
import type { SourceTree } from "../../core/functions/functions.ts";
import type { Limits } from "../../core/limits.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/types.ts";

const NAMES = ["deno.json", "deno.jsonc"];
/** Settings that would change what an import means. */
const REFUSED = ["importMap", "scopes", "links", "patch", "workspace"];

/** @throws CodedError `function_invalid` */
export function denoImports(
  { function_name, files }: SourceTree,
  { function_deno_json_bytes }: Pick<Limits, "function_deno_json_bytes">,
): Readonly<Record<string, string>> {
  const file = files.find(({ path }) => NAMES.includes(path));
  if (file === undefined) return {};
  const invalid = (why: string): CodedError =>
    new CodedError("function_invalid", {
      message: `The function ${function_name} cannot be loaded. ${file.path} ${why}`,
    });
  if (Buffer.byteLength(file.content) > function_deno_json_bytes)
    throw invalid(`has more than ${function_deno_json_bytes} bytes.`);
  const value = objectIn(file.content);
  if (value === null) throw invalid("is not valid JSON.");
  const refused = REFUSED.find((name) => Object.hasOwn(value, name));
  if (refused !== undefined)
    throw invalid(`has "${refused}", which functions do not use. Put the names into "imports".`);
  const { imports = {} } = value;
  if (!isJsonObject(imports)) throw invalid('has "imports" that is not an object.');
  return Object.fromEntries(
    Object.entries(imports).map(([name, target]) => {
      if (!isShortName(name)) throw invalid(`imports "${name}", which is not a short name.`);
      if (!isTarget(name, target))
        throw invalid(`maps "${name}" to an invalid target. It must be a string, and end with / if the name does.`);
      return [name, target];
    }),
  );
}

/** Returns null if the text is not a JSON object. Comments and trailing commas are allowed. */
function objectIn(text: string): JsonObject | null {
  const errors: ParseError[] = [];
  try {
    const value: unknown = parse(text, errors, { allowTrailingComma: true });
    return errors.length === 0 && isJsonObject(value) ? value : null;
  } catch {
    // The parser calls itself for each level, and a file can have more levels than the stack.
    return null;
  }
}

/** Paths and URLs keep their meaning. */
const isShortName = (name: string): boolean => name !== "" && !/^[./]|^[a-z][a-z0-9+.-]*:/i.test(name);

/** A name that ends with a slash stands for a folder, and so does its target. */
const isTarget = (name: string, target: JsonValue): target is string =>
  typeof target === "string" && (!name.endsWith("/") || target.endsWith("/"));
