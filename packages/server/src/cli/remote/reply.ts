/**
 * Reads a reply by its schema in wire/. Tolerates servers of other versions: drops fields that the
 * schema does not have, reads a missing nullable field as null, and accepts strings that are not
 * among the schema's literals.
 */
import {
  IsArray,
  IsBoolean,
  IsEnum,
  IsInteger,
  IsLiteral,
  IsNull,
  IsNumber,
  IsObject,
  IsOptional,
  IsRecord,
  IsString,
  IsUnion,
  IsUnknown,
  type Static,
  type TArray,
  type TObject,
  type TRecord,
  type TSchema,
  type TUnion,
} from "typebox";
import { isJsonObject } from "../../core/types.ts";
import { REPLIES } from "./replies.ts";

export type ReplyName = keyof typeof REPLIES;
export type Reply<N extends ReplyName> = Tolerant<Static<(typeof REPLIES)[N]>>;

/** Literals become strings: a newer server can send others. */
type Tolerant<T> = T extends string
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Tolerant<Item>[]
    : T extends object
      ? { readonly [Name in keyof T]: Tolerant<T[Name]> }
      : T;

/** A reply of another shape. The message names the place. */
export class UnexpectedReply extends Error {
  constructor(place: string, expected: string) {
    super(`${place} is not ${expected}`);
    this.name = "UnexpectedReply";
  }
}

/** @throws UnexpectedReply */
export function readReply<N extends ReplyName>(name: N, value: unknown): Reply<N>;
export function readReply(name: ReplyName, value: unknown): unknown {
  return read(REPLIES[name], value, "the reply");
}

function read(schema: TSchema, value: unknown, place: string): unknown {
  if (IsObject(schema)) return readObject(schema, value, place);
  if (IsRecord(schema)) return readRecord(schema, value, place);
  if (IsUnknown(schema)) return value;
  if (IsArray(schema)) return readArray(schema, value, place);
  if (IsUnion(schema)) return readUnion(schema, value, place);
  if (IsString(schema) || IsLiteral(schema) || IsEnum(schema)) {
    if (typeof value === "string") return value;
    throw new UnexpectedReply(place, "a string");
  }
  if (IsBoolean(schema)) {
    if (typeof value === "boolean") return value;
    throw new UnexpectedReply(place, "true or false");
  }
  if (IsInteger(schema)) return readNumber(schema, value, place, "a whole number");
  if (IsNumber(schema)) return readNumber(schema, value, place, "a number");
  throw new TypeError(`${place} has a schema that no reply had before: ${JSON.stringify(schema)}`);
}

function readNumber(schema: TSchema, value: unknown, place: string, kind: "a number" | "a whole number"): number {
  const [minimum, maximum] = [boundOf(schema, "minimum") ?? -Infinity, boundOf(schema, "maximum") ?? Infinity];
  const is_right_kind = typeof value === "number" && (kind === "a number" || Number.isSafeInteger(value));
  if (is_right_kind && value >= minimum && value <= maximum) return value;
  throw new UnexpectedReply(place, `${kind} from ${minimum} to ${maximum}`);
}

function boundOf(schema: TSchema, name: "minimum" | "maximum"): number | null {
  const bound: unknown = Reflect.get(schema, name);
  return typeof bound === "number" ? bound : null;
}

function readObject({ properties }: TObject, value: unknown, place: string): unknown {
  if (!isJsonObject(value)) throw new UnexpectedReply(place, "an object");
  const present = Object.entries(properties).filter(([name, schema]) => !IsOptional(schema) || value[name] != null);
  return Object.fromEntries(present.map(([name, schema]) => [name, read(schema, value[name], `${place}.${name}`)]));
}

/** Reads an object whose names are data. Its values have one schema. */
function readRecord({ patternProperties }: TRecord, value: unknown, place: string): unknown {
  if (!isJsonObject(value)) throw new UnexpectedReply(place, "an object");
  const [schema = REPLIES.done] = Object.values(patternProperties);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, read(schema, one, `${place}.${name}`)]));
}

function readArray({ items }: TArray, value: unknown, place: string): unknown {
  if (!Array.isArray(value)) throw new UnexpectedReply(place, "an array");
  return value.map((item, index) => read(items, item, `${place}[${index}]`));
}

/** Reads a nullable value, or one of several literals. */
function readUnion({ anyOf }: TUnion, value: unknown, place: string): unknown {
  if ((value === undefined || value === null) && anyOf.some(IsNull)) return null;
  const [variant] = anyOf.filter((schema) => !IsNull(schema));
  return read(variant ?? REPLIES.done, value, place);
}
