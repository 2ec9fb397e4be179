/**
 * Checks a value against a schema. Each problem says where it is and what is expected there.
 *
 * The library checks the leaves. This file walks objects, arrays and unions itself, because the
 * library reports every branch of a union at once. Otherwise a wrong URL in one kind of revocation
 * would be lost among complaints about the other kinds.
 */
import { Value } from "typebox/value";
import { IsArray, IsLiteral, IsObject, IsUnion, type TSchema } from "typebox";
import { isJsonObject } from "../core/types.ts";
import { escapePointer, type Problem } from "./problem.ts";

/** Returns every problem of `value` below `pointer`. An empty list means it matches. */
export function checkShape(schema: TSchema, value: unknown, pointer = ""): readonly Problem[] {
  // A boolean, not a type guard: the guard would narrow `value` to never below.
  const matches: boolean = Value.Check(schema, value);
  if (matches) return [];
  if (IsUnion(schema)) return checkUnion(schema.anyOf, value, pointer);
  if (IsArray(schema) && Array.isArray(value)) {
    const items = value.flatMap((item: unknown, index) => checkShape(schema.items, item, `${pointer}/${index}`));
    return items.length > 0 ? items : leaf(schema, value, pointer);
  }
  if (IsObject(schema) && isJsonObject(value)) return checkObject(schema, value, pointer);
  return leaf(schema, value, pointer);
}

type ObjectSchema = Extract<TSchema, object> & {
  readonly properties: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
};

function checkObject(
  schema: ObjectSchema,
  value: Readonly<Record<string, unknown>>,
  pointer: string,
): readonly Problem[] {
  const known = Object.keys(schema.properties);
  const unknown = Object.keys(value).filter((name) => !known.includes(name));
  const missing = (schema.required ?? []).filter((name) => !Object.hasOwn(value, name));
  return [
    ...unknown.map((name) => ({ pointer: `${pointer}/${escapePointer(name)}`, rule: "is not a known field here" })),
    ...missing.map((name) => ({ pointer: `${pointer}/${name}`, rule: "is required" })),
    ...Object.entries(schema.properties).flatMap(([name, property]) =>
      Object.hasOwn(value, name) ? checkShape(property, value[name], `${pointer}/${name}`) : [],
    ),
  ];
}

/** Checks against the branch whose literals the value has, or lists the allowed literals. */
function checkUnion(branches: readonly TSchema[], value: unknown, pointer: string): readonly Problem[] {
  const objects = branches.filter((branch) => IsObject(branch));
  if (!isJsonObject(value) || objects.length === 0) {
    return [{ pointer, rule: `must be ${branches.map(nameOf).join(" or ")}` }];
  }
  const candidates = objects.map((branch) => ({ branch, wrong: wrongLiterals(branch, value) }));
  const [best] = candidates.toSorted((a, b) => a.wrong.length - b.wrong.length);
  if (best === undefined) return [];
  const [tag] = best.wrong;
  if (tag === undefined) return checkShape(best.branch, value, pointer);
  const choices = objects.flatMap((branch) => {
    const property = branch.properties[tag];
    return property !== undefined && IsLiteral(property) ? [nameOf(property)] : [];
  });
  return [{ pointer: `${pointer}/${tag}`, rule: `must be ${[...new Set(choices)].join(" or ")}` }];
}

function wrongLiterals(branch: ObjectSchema, value: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(branch.properties)
    .filter(([name, property]) => IsLiteral(property) && property.const !== value[name])
    .map(([name]) => name);
}

function nameOf(schema: TSchema): string {
  if (IsLiteral(schema)) return JSON.stringify(schema.const);
  if (IsObject(schema)) return "an object";
  const type = "type" in schema ? String(schema.type) : "a value";
  return type === "null" ? "null" : `a ${type}`;
}

/** Returns the library's own messages: "must match pattern …". */
function leaf(schema: TSchema, value: unknown, pointer: string): readonly Problem[] {
  return Value.Errors(schema, value).map(({ instancePath, message }) => ({
    pointer: `${pointer}${instancePath}`,
    rule: message,
  }));
}
