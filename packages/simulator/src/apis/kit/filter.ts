/**
 * The filters that vendors accept as text: SOQL's WHERE, Drive's `q`, OData's `$filter`, Airtable's
 * formulas. They share one grammar: comparisons, joined by `and`, `or`, `not` and parentheses, or
 * by functions of these names.
 *
 * A filter is read once, against the words that its vendor knows, and then applied to each object.
 */
import type { Json } from "../../engine/types.ts";

export type Filter =
  | { readonly is: "value"; readonly value: Json }
  | { readonly is: "field"; readonly name: string }
  | { readonly is: "list"; readonly items: readonly Filter[] }
  | { readonly is: "call"; readonly name: string; readonly args: readonly Filter[] }
  | { readonly is: "binary"; readonly operator: string; readonly left: Filter; readonly right: Filter };

type Value = Json | undefined;

export interface Language {
  /** In lower case, such as `=` or `contains`. The first operand is the one on the left. */
  readonly operators: Readonly<Record<string, (left: Value, right: Value) => boolean>>;
  /** Beside and, or, not. In lower case. */
  readonly functions: Readonly<Record<string, (...args: readonly Value[]) => Json>>;
}

/** A longer filter would nest deeper than the stack. */
const LENGTH_MAX = 4_000;
const DEPTH_MAX = 40;
const NEVER: Filter = { is: "value", value: false };

const TOKEN =
  /\s*(?:'((?:[^'\\]|\\.|'')*)'|"((?:[^"\\]|\\.)*)"|\{([^}]*)\}|(-?\d[\w.:+-]*|[A-Za-z_@][\w./]*|[<>!]=|<>|[=<>(),&]))/y;

interface Token {
  readonly kind: "string" | "field" | "word";
  readonly text: string;
}

function tokensOf(text: string): Token[] | null {
  const tokens: Token[] = [];
  const token = new RegExp(TOKEN);
  while (token.lastIndex < text.trimEnd().length) {
    const match = token.exec(text);
    if (match === null) return null;
    const [, single, double, braced, word] = match;
    const string = single?.replaceAll("''", "'") ?? double;
    if (string !== undefined) tokens.push({ kind: "string", text: string.replaceAll(/\\(.)/g, "$1") });
    else if (braced !== undefined) tokens.push({ kind: "field", text: braced });
    else tokens.push({ kind: "word", text: word ?? "" });
  }
  return tokens;
}

interface Reader {
  readonly tokens: readonly Token[];
  readonly language: Language;
  at: number;
  depth: number;
}

/** Thrown inside this file only. */
class Malformed extends Error {}

const wordAt = ({ tokens, at }: Reader, ahead = 0): string => {
  const token = tokens[at + ahead];
  return token?.kind === "word" ? token.text.toLowerCase() : "";
};

function take(reader: Reader, word: string): void {
  if (wordAt(reader) !== word) throw new Malformed();
  reader.at += 1;
}

function joined(reader: Reader, name: "or" | "and", read: (reader: Reader) => Filter): Filter {
  const args = [read(reader)];
  while (wordAt(reader) === name) {
    reader.at += 1;
    args.push(read(reader));
  }
  const [first] = args;
  return args.length === 1 && first !== undefined ? first : { is: "call", name, args };
}

function readOr(reader: Reader): Filter {
  reader.depth += 1;
  if (reader.depth > DEPTH_MAX) throw new Malformed();
  const found = joined(reader, "or", (inner) => joined(inner, "and", readNot));
  reader.depth -= 1;
  return found;
}

function readNot(reader: Reader): Filter {
  // `not(…)` is the function, in the languages that have it.
  if (wordAt(reader) !== "not" || wordAt(reader, 1) === "(") return readComparison(reader);
  reader.at += 1;
  return { is: "call", name: "not", args: [readComparison(reader)] };
}

function readComparison(reader: Reader): Filter {
  const left = readOperand(reader);
  const negated = wordAt(reader) === "not" ? "not " : "";
  const operator = `${negated}${wordAt(reader, negated === "" ? 0 : 1)}`;
  if (!Object.hasOwn(reader.language.operators, operator)) return left;
  reader.at += negated === "" ? 1 : 2;
  return { is: "binary", operator, left, right: readOperand(reader) };
}

function readList(reader: Reader): Filter[] {
  take(reader, "(");
  const items: Filter[] = [];
  while (wordAt(reader) !== ")") {
    if (items.length > 0) take(reader, ",");
    items.push(readOr(reader));
  }
  take(reader, ")");
  return items;
}

const LITERALS: Readonly<Record<string, Json>> = { true: true, false: false, null: null };
const BUILT_IN = new Set(["and", "or", "not"]);

function readOperand(reader: Reader): Filter {
  const token = reader.tokens[reader.at];
  if (token === undefined) throw new Malformed();
  if (token.kind === "word" && token.text === "(") {
    const items = readList(reader);
    const [first] = items;
    return items.length === 1 && first !== undefined && first.is !== "value" ? first : { is: "list", items };
  }
  reader.at += 1;
  if (token.kind === "string") return { is: "value", value: token.text };
  if (token.kind === "field") return { is: "field", name: token.text };
  const word = token.text.toLowerCase();
  if (wordAt(reader) === "(") {
    if (!BUILT_IN.has(word) && !Object.hasOwn(reader.language.functions, word)) throw new Malformed();
    return { is: "call", name: word, args: readList(reader) };
  }
  if (Object.hasOwn(LITERALS, word)) return { is: "value", value: LITERALS[word] ?? null };
  if (/^-?\d/.test(word)) {
    const number = Number(word);
    return { is: "value", value: Number.isNaN(number) ? token.text : number };
  }
  if (!/^[a-z_@]/.test(word)) throw new Malformed();
  return { is: "field", name: token.text };
}

/** Returns null if the text is malformed, or has a function that the vendor lacks. */
export function parseFilter(text: string, language: Language): Filter | null {
  const tokens = text.length > LENGTH_MAX ? null : tokensOf(text);
  if (tokens === null) return null;
  const reader: Reader = { tokens, language, at: 0, depth: 0 };
  try {
    const filter = readOr(reader);
    return reader.at === tokens.length ? filter : null;
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

const isTrue = (value: Value): boolean =>
  value !== undefined && value !== null && value !== false && value !== 0 && value !== "";

function valueOf(filter: Filter, language: Language, field: (name: string) => Value): Value {
  const value = (inner: Filter): Value => valueOf(inner, language, field);
  switch (filter.is) {
    case "value":
      return filter.value;
    case "field":
      return field(filter.name);
    case "list":
      return filter.items.map((item) => value(item) ?? null);
    case "binary":
      return language.operators[filter.operator]?.(value(filter.left), value(filter.right)) ?? false;
    case "call": {
      const { name, args } = filter;
      if (name === "and") return args.every((one) => isTrue(value(one)));
      if (name === "or") return args.some((one) => isTrue(value(one)));
      if (name === "not") return !isTrue(value(args[0] ?? NEVER));
      return language.functions[name]?.(...args.map(value)) ?? false;
    }
  }
}

/** Reports whether an object with these fields passes the filter. */
export const passes = (filter: Filter, language: Language, field: (name: string) => Value): boolean =>
  isTrue(valueOf(filter, language, field));

/** Returns below 0, 0 or above 0. Numbers and texts of numbers by value, all else as text. */
export function compare(one: Value, other: Value): number {
  const [a, b] = [one ?? "", other ?? ""].map((value) => (typeof value === "object" ? JSON.stringify(value) : value));
  const are_numbers = a !== "" && b !== "" && !Number.isNaN(Number(a)) && !Number.isNaN(Number(b));
  if (are_numbers) return Number(a) - Number(b);
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}

const folded = (value: Value): Value => (typeof value === "string" ? value.toLowerCase() : value);

/** Compares text without regard to case. */
export const compareFolded = (one: Value, other: Value): number => compare(folded(one), folded(other));

/** Returns the six comparisons under the vendor's names for them. */
export function comparisons(
  names: readonly [equal: string, unequal: string, below: string, atMost: string, above: string, atLeast: string],
  order: (one: Value, other: Value) => number,
): Language["operators"] {
  const [equal, unequal, below, atMost, above, atLeast] = names;
  return {
    [equal]: (one, other) => order(one, other) === 0,
    [unequal]: (one, other) => order(one, other) !== 0,
    [below]: (one, other) => order(one, other) < 0,
    [atMost]: (one, other) => order(one, other) <= 0,
    [above]: (one, other) => order(one, other) > 0,
    [atLeast]: (one, other) => order(one, other) >= 0,
  };
}
