/**
 * Reads and runs GraphQL: one operation with variables, aliases, fragments and the directives
 * `@include` and `@skip`. https://spec.graphql.org/October2021/ sections 2 and 6.
 *
 * The schema is a tree of plain objects. A member is a value, an object, a list, or a function of
 * the arguments. A selection of an unknown member is refused as a server with a schema does.
 */
import type { Json, JsonObject } from "../../engine/types.ts";
import { parseJson } from "../../engine/values.ts";

export type Resolver = (args: JsonObject) => Node;
export type Node = Json | undefined | Resolver | readonly Node[] | { readonly [name: string]: Node };

type Argument =
  | { readonly is: "value"; readonly value: Json }
  | { readonly is: "variable"; readonly name: string }
  | { readonly is: "list"; readonly items: readonly Argument[] }
  | { readonly is: "object"; readonly members: Readonly<Record<string, Argument>> };

interface Field {
  readonly kind: "field";
  readonly alias: string;
  readonly name: string;
  readonly args: Readonly<Record<string, Argument>>;
  readonly selections: readonly Selection[] | null;
}

interface Spread {
  readonly kind: "spread";
  /** Of a fragment, or null for an inline one. */
  readonly fragment: string | null;
  readonly selections: readonly Selection[];
}

type Selection = (Field | Spread) & { readonly conditions: readonly Condition[] };

interface Condition {
  readonly wanted: boolean;
  readonly value: Argument;
}

interface Document {
  readonly type: "query" | "mutation";
  readonly selections: readonly Selection[];
  readonly defaults: Readonly<Record<string, Argument>>;
  readonly fragments: ReadonlyMap<string, readonly Selection[]>;
}

/** Why a query is refused. The text names the place. */
export class GraphqlError extends Error {}

const LENGTH_MAX = 50_000;
const DEPTH_MAX = 20;
/** Fragments that use fragments could otherwise multiply without an end. */
const FIELDS_MAX = 20_000;

const TOKEN = /"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|\.\.\.|-?\d[\d.eE+-]*|[A-Za-z_]\w*|[!$&()[\]{}:=@|]/g;

/** Commas and comments are blanks. */
function tokensOf(text: string): string[] {
  if (text.length > LENGTH_MAX) throw new GraphqlError("Syntax Error: The query is too long.");
  const bare = text.replaceAll(
    /("""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*")|#[^\n]*|,/g,
    (_, string?: string) => string ?? " ",
  );
  const left = bare.replaceAll(TOKEN, "").trim();
  if (left !== "") throw new GraphqlError(`Syntax Error: Unexpected character: "${left.slice(0, 1)}".`);
  return bare.match(TOKEN) ?? [];
}

interface Reader {
  readonly tokens: readonly string[];
  at: number;
  depth: number;
}

const peek = ({ tokens, at }: Reader): string => tokens[at] ?? "";

function next(reader: Reader): string {
  const token = peek(reader);
  if (token === "") throw new GraphqlError("Syntax Error: Unexpected <EOF>.");
  reader.at += 1;
  return token;
}

function take(reader: Reader, wanted: string): void {
  const token = next(reader);
  if (token !== wanted) throw new GraphqlError(`Syntax Error: Expected "${wanted}", found "${token}".`);
}

function name(reader: Reader): string {
  const token = next(reader);
  if (!/^[A-Za-z_]\w*$/.test(token)) throw new GraphqlError(`Syntax Error: Expected Name, found "${token}".`);
  return token;
}

function deeper<T>(reader: Reader, read: () => T): T {
  reader.depth += 1;
  if (reader.depth > DEPTH_MAX) throw new GraphqlError("Syntax Error: The query is nested too deeply.");
  const found = read();
  reader.depth -= 1;
  return found;
}

const stringValue = (token: string): string => {
  if (token.startsWith('"""')) return token.slice(3, -3).trim();
  try {
    const value: unknown = JSON.parse(token);
    return typeof value === "string" ? value : "";
  } catch {
    throw new GraphqlError("Syntax Error: Invalid character escape sequence.");
  }
};

const LITERALS: Readonly<Record<string, Json>> = { true: true, false: false, null: null };

function readValue(reader: Reader): Argument {
  const token = next(reader);
  if (token === "$") return { is: "variable", name: name(reader) };
  if (token === "[")
    return { is: "list", items: deeper(reader, () => readUntil(reader, "]", () => readValue(reader))) };
  if (token === "{") {
    const members = deeper(reader, () => readUntil(reader, "}", () => readMember(reader)));
    return { is: "object", members: Object.fromEntries(members) };
  }
  if (token.startsWith('"')) return { is: "value", value: stringValue(token) };
  if (Object.hasOwn(LITERALS, token)) return { is: "value", value: LITERALS[token] ?? null };
  if (/^-?\d/.test(token)) return { is: "value", value: Number(token) };
  // An enum value is the text of its name.
  if (/^[A-Za-z_]/.test(token)) return { is: "value", value: token };
  throw new GraphqlError(`Syntax Error: Unexpected "${token}".`);
}

function readUntil<T>(reader: Reader, end: string, read: () => T): T[] {
  const found: T[] = [];
  while (peek(reader) !== end) found.push(read());
  reader.at += 1;
  return found;
}

function readMember(reader: Reader): readonly [string, Argument] {
  const key = name(reader);
  take(reader, ":");
  return [key, readValue(reader)];
}

function readArguments(reader: Reader): Record<string, Argument> {
  if (peek(reader) !== "(") return {};
  reader.at += 1;
  return Object.fromEntries(readUntil(reader, ")", () => readMember(reader)));
}

function readConditions(reader: Reader): Condition[] {
  const conditions: Condition[] = [];
  while (peek(reader) === "@") {
    reader.at += 1;
    const directive = name(reader);
    const value = readArguments(reader)["if"];
    if (value !== undefined && (directive === "include" || directive === "skip")) {
      conditions.push({ wanted: directive === "include", value });
    }
  }
  return conditions;
}

const readSelections = (reader: Reader): Selection[] => {
  take(reader, "{");
  return deeper(reader, () => readUntil(reader, "}", () => readSelection(reader)));
};

function readSelection(reader: Reader): Selection {
  if (peek(reader) === "...") return readSpread(reader);
  const first = name(reader);
  const is_alias = peek(reader) === ":";
  if (is_alias) reader.at += 1;
  const own = is_alias ? name(reader) : first;
  const args = readArguments(reader);
  const conditions = readConditions(reader);
  const selections = peek(reader) === "{" ? readSelections(reader) : null;
  return { kind: "field", alias: first, name: own, args, selections, conditions };
}

function readSpread(reader: Reader): Selection {
  take(reader, "...");
  const word = peek(reader);
  if (word !== "on" && word !== "{" && word !== "@") {
    const fragment = name(reader);
    return { kind: "spread", fragment, selections: [], conditions: readConditions(reader) };
  }
  if (word === "on") reader.at += 2;
  const conditions = readConditions(reader);
  return { kind: "spread", fragment: null, selections: readSelections(reader), conditions };
}

/** Reads `($id: String! = "x")` and returns the defaults. Types are not checked. */
function readVariables(reader: Reader): Record<string, Argument> {
  if (peek(reader) !== "(") return {};
  reader.at += 1;
  const defaults: [string, Argument][] = [];
  readUntil(reader, ")", () => {
    take(reader, "$");
    const variable = name(reader);
    take(reader, ":");
    while (/^[[\]!A-Za-z_]/.test(peek(reader))) reader.at += 1;
    if (peek(reader) !== "=") return;
    reader.at += 1;
    defaults.push([variable, readValue(reader)]);
  });
  return Object.fromEntries(defaults);
}

/** @param wanted the name of the operation, if the document has several. */
function parse(text: string, wanted: string): Document {
  const reader: Reader = { tokens: tokensOf(text), at: 0, depth: 0 };
  const fragments = new Map<string, readonly Selection[]>();
  const operations: { readonly own: string; readonly document: Omit<Document, "fragments"> }[] = [];
  while (peek(reader) !== "") {
    const word = peek(reader) === "{" ? "query" : name(reader);
    if (word === "fragment") {
      const own = name(reader);
      take(reader, "on");
      name(reader);
      fragments.set(own, readSelections(reader));
      continue;
    }
    if (word !== "query" && word !== "mutation") throw new GraphqlError(`Syntax Error: Unexpected Name "${word}".`);
    const own = /^[A-Za-z_]/.test(peek(reader)) ? name(reader) : "";
    const defaults = readVariables(reader);
    readConditions(reader);
    operations.push({ own, document: { type: word, defaults, selections: readSelections(reader) } });
  }
  const found = wanted === "" ? operations[0] : operations.find(({ own }) => own === wanted);
  if (found === undefined) throw new GraphqlError("Must provide an operation.");
  return { ...found.document, fragments };
}

interface Run {
  readonly document: Document;
  readonly variables: JsonObject;
  fields: number;
}

function valueOf(run: Run, argument: Argument): Json | undefined {
  switch (argument.is) {
    case "value":
      return argument.value;
    case "list":
      return argument.items.map((one) => valueOf(run, one) ?? null);
    case "object":
      return argumentsOf(run, argument.members);
    case "variable": {
      const fallback = run.document.defaults[argument.name];
      return run.variables[argument.name] ?? (fallback === undefined ? undefined : valueOf(run, fallback));
    }
  }
}

const argumentsOf = (run: Run, members: Readonly<Record<string, Argument>>): JsonObject =>
  Object.fromEntries(Object.entries(members).map(([key, one]) => [key, valueOf(run, one)]));

const isIncluded = (run: Run, { conditions }: Selection): boolean =>
  conditions.every(({ wanted, value }) => (valueOf(run, value) === true) === wanted);

/** Returns the fields of a selection, with those of its fragments. */
function fieldsOf(run: Run, selections: readonly Selection[], depth: number): Field[] {
  if (depth > DEPTH_MAX) throw new GraphqlError("Cannot spread fragment within itself.");
  return selections.flatMap((selection): Field[] => {
    run.fields += 1;
    if (run.fields > FIELDS_MAX) throw new GraphqlError("The query is too complex.");
    if (!isIncluded(run, selection)) return [];
    if (selection.kind === "field") return [selection];
    const inner = selection.fragment === null ? selection.selections : run.document.fragments.get(selection.fragment);
    if (inner === undefined) throw new GraphqlError(`Unknown fragment "${selection.fragment ?? ""}".`);
    return fieldsOf(run, inner, depth + 1);
  });
}

const isNode = (node: Node): node is { readonly [name: string]: Node } =>
  typeof node === "object" && node !== null && !Array.isArray(node);

function typeName(node: { readonly [name: string]: Node }): string {
  const own = node["__typename"];
  return typeof own === "string" ? own : "Object";
}

function resolve(run: Run, node: Node, selections: readonly Selection[] | null): Json {
  if (Array.isArray(node)) return node.map((one: Node) => resolve(run, one, selections));
  if (node === undefined || node === null || typeof node === "function") return null;
  if (!isNode(node)) return typeof node === "object" ? null : node;
  if (selections === null && node["__typename"] !== undefined) {
    throw new GraphqlError(`Field of type "${typeName(node)}" must have a selection of subfields.`);
  }
  // A scalar of any JSON has no selection.
  if (selections === null) return parseJson(JSON.stringify(node)) ?? null;
  const members = fieldsOf(run, selections, 0).map((field): [string, Json] => {
    if (field.name === "__typename") return [field.alias, typeName(node)];
    if (!Object.hasOwn(node, field.name)) {
      throw new GraphqlError(`Cannot query field "${field.name}" on type "${typeName(node)}".`);
    }
    const member = node[field.name];
    const value = typeof member === "function" ? member(argumentsOf(run, field.args)) : member;
    return [field.alias, resolve(run, value, field.selections)];
  });
  return Object.fromEntries(members);
}

export interface Request {
  readonly query: string;
  readonly variables: JsonObject;
  readonly operation: string;
}

/**
 * Runs a request against the roots and returns `data`.
 * @throws GraphqlError
 */
export function execute(
  request: Request,
  roots: Readonly<Record<Document["type"], { readonly [name: string]: Node }>>,
): Json {
  const document = parse(request.query, request.operation);
  const run: Run = { document, variables: request.variables, fields: 0 };
  return resolve(run, roots[document.type], document.selections);
}
