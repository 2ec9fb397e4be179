/**
 * Partial replies: `files(id,name),nextPageToken`, the `fields` parameter of Google's APIs.
 * https://developers.google.com/workspace/drive/api/guides/fields-parameter
 */
import type { Json } from "../../engine/types.ts";
import { isObject } from "../../engine/values.ts";

/** The members to keep. An empty mask keeps all of them. */
type Mask = Map<string, Mask>;

interface Reader {
  readonly tokens: readonly string[];
  at: number;
}

const isName = (token: string | undefined): token is string => token !== undefined && /^[\w.*-]+$/.test(token);

/** Reads a comma-separated list, or null if it is malformed. */
function readList(reader: Reader): Mask | null {
  const mask: Mask = new Map();
  for (;;) {
    const name = reader.tokens[reader.at];
    if (!isName(name)) return null;
    reader.at += 1;
    const below = readBelow(reader);
    if (below === null) return null;
    mask.set(name, merge(mask.get(name), below));
    if (reader.tokens[reader.at] !== ",") return mask;
    reader.at += 1;
  }
}

/** Reads the part after a name: `/name`, `(list)` or nothing. */
function readBelow(reader: Reader): Mask | null {
  const sign = reader.tokens[reader.at];
  if (sign !== "/" && sign !== "(") return new Map();
  reader.at += 1;
  if (sign === "(") {
    const inner = readList(reader);
    if (inner === null || reader.tokens[reader.at] !== ")") return null;
    reader.at += 1;
    return inner;
  }
  const name = reader.tokens[reader.at];
  if (!isName(name)) return null;
  reader.at += 1;
  const inner = readBelow(reader);
  return inner === null ? null : new Map([[name, inner]]);
}

const merge = (one: Mask | undefined, other: Mask): Mask =>
  one === undefined ? other : one.size === 0 || other.size === 0 ? new Map() : new Map([...one, ...other]);

/** Longer masks would nest deeper than the stack. */
const LENGTH_MAX = 2_000;

/** Returns null if the mask is malformed. */
export function parseMask(given: string): Mask | null {
  if (given.length > LENGTH_MAX) return null;
  const reader = { tokens: given.match(/[\w.*-]+|\S/g) ?? [], at: 0 };
  const mask = readList(reader);
  return reader.at === reader.tokens.length ? mask : null;
}

export function applyMask(value: Json, mask: Mask): Json {
  if (Array.isArray(value)) return value.map((member: Json) => applyMask(member, mask));
  if (!isObject(value) || mask.size === 0 || mask.has("*")) return value;
  const kept = [...mask].flatMap(([name, below]): [string, Json][] => {
    const member = value[name];
    return member === undefined ? [] : [[name, applyMask(member, below)]];
  });
  return Object.fromEntries(kept);
}
