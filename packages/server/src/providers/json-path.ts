/**
 * Dotted paths into JSON answers (`authed_user.id`, `data.0.id`). Only own keys count, so that no path reaches a
 * prototype; a number is a place in a list.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/types.ts";

/** `authed_user.id` */
export type JsonPath = string;

const INDEX = /^\d{1,4}$/;

/** The value at `path`, or undefined when a step is missing. */
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

/** A text, or a whole number as text (ids are numbers at some vendors); null for everything else. */
export function readText(value: JsonValue, path: JsonPath): string | null {
  const found = readPath(value, path);
  if (typeof found === "string") return found === "" ? null : found;
  return typeof found === "number" && Number.isSafeInteger(found) ? String(found) : null;
}

/** A copy that has only the texts and whole numbers at `paths`. What is not named stays behind: tokens above all. */
export function pickPaths(value: JsonObject, paths: readonly JsonPath[]): JsonObject {
  return paths.reduce<JsonObject>((picked, path) => {
    const found = readPath(value, path);
    const plain = typeof found === "string" || typeof found === "number";
    return plain ? withPath(picked, path.split("."), found) : picked;
  }, {});
}

function withPath(target: JsonObject, steps: readonly string[], value: JsonValue): JsonObject {
  const [step, ...rest] = steps;
  if (step === undefined) return target;
  if (rest.length === 0) return { ...target, [step]: value };
  const inner = target[step];
  return { ...target, [step]: withPath(isJsonObject(inner) ? inner : {}, rest, value) };
}
