/**
 * Reads JSON responses by dotted path (`authed_user.id`, `data.0.id`). A number is an array index.
 * Only own keys match, so no path reaches a prototype.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/types.ts";

/** A dotted path: `authed_user.id`. */
export type JsonPath = string;

const INDEX = /^\d{1,4}$/;

/** Returns the value at `path`, or undefined if a step is missing. */
export function readPath(value: JsonValue, path: JsonPath): JsonValue | undefined {
  let current: JsonValue | undefined = value;
  for (const step of path.split(".")) {
    if (Array.isArray(current)) {
      const item: JsonValue | undefined = INDEX.test(step) ? current[Number(step)] : undefined;
      if (item === undefined) return undefined;
      current = item;
    } else {
      if (!isJsonObject(current) || !Object.hasOwn(current, step)) return undefined;
      current = current[step];
    }
  }
  return current;
}

/**
 * Returns the string at `path`, or an integer as a string, since some vendors use numeric ids.
 * Returns null for anything else and for an empty string.
 */
export function readString(value: JsonValue, path: JsonPath): string | null {
  const found = readPath(value, path);
  if (typeof found === "string") return found === "" ? null : found;
  return typeof found === "number" && Number.isSafeInteger(found) ? String(found) : null;
}

/** Copies only the strings and numbers at `paths`. Everything else, such as tokens, is left out. */
export function pickPaths(value: JsonObject, paths: readonly JsonPath[]): JsonObject {
  return paths.reduce<JsonObject>((picked, path) => {
    const found = readPath(value, path);
    const is_scalar = typeof found === "string" || typeof found === "number";
    return is_scalar ? withPath(picked, path.split("."), found) : picked;
  }, {});
}

function withPath(target: JsonObject, steps: readonly string[], value: JsonValue): JsonObject {
  const [step, ...rest] = steps;
  if (step === undefined) return target;
  if (rest.length === 0) return { ...target, [step]: value };
  const inner = target[step];
  return { ...target, [step]: withPath(isJsonObject(inner) ? inner : {}, rest, value) };
}
