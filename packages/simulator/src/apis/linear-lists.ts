/** Linear's connections: pages of a list, and filters over its nodes. Knows no object. */
import type { Json, JsonObject } from "../engine/types.ts";
import { list, object, objects, pageOf, text } from "./kit/endpoints.ts";
import { compare, compareFolded } from "./kit/filter.ts";
import { GraphqlError, type Node } from "./kit/graphql.ts";

export type Tree = { readonly [name: string]: Node };

/** An input that Linear refuses. The message is for the user. */
export class InputError extends Error {}
/** Returns the connection of a list: nodes, edges and the place of the page. */
export function connection(type: string, all: readonly Tree[], args: JsonObject): Tree {
  const size = typeof args["first"] === "number" ? args["first"] : 50;
  const page = size < 1 || size > 250 ? null : pageOf(all, size, text(args["after"]));
  if (page === null) throw new InputError("Argument Validation Error: first must be 1 to 250, after a cursor.");
  const start = Number(text(args["after"]) || 0);
  const cursors = page.items.map((_, n) => String(start + n + 1));
  return {
    __typename: `${type}Connection`,
    nodes: page.items,
    edges: page.items.map((node, n) => ({ node, cursor: cursors[n] })),
    pageInfo: {
      __typename: "PageInfo",
      hasNextPage: page.next !== null,
      hasPreviousPage: start > 0,
      startCursor: cursors[0] ?? null,
      endCursor: cursors.at(-1) ?? null,
    },
  };
}

/** Returns the value of a member, of functions without arguments as well. */
const memberOf = (tree: Node, name: string): Node => {
  if (typeof tree !== "object" || tree === null || Array.isArray(tree)) return undefined;
  const found = Object.entries(tree).find(([key]) => key === name)?.[1];
  return typeof found === "function" ? found({}) : found;
};

const scalar = (node: Node): Json | undefined =>
  typeof node === "string" || typeof node === "number" || typeof node === "boolean" || node === null ? node : undefined;

const COMPARATORS: Readonly<Record<string, (value: Json | undefined, wanted: Json | undefined) => boolean>> = {
  eq: (value, wanted) => compare(value, wanted) === 0,
  neq: (value, wanted) => compare(value, wanted) !== 0,
  in: (value, wanted) => list(wanted).some((one) => compare(value, one) === 0),
  nin: (value, wanted) => !list(wanted).some((one) => compare(value, one) === 0),
  eqIgnoreCase: (value, wanted) => compareFolded(value, wanted) === 0,
  contains: (value, wanted) => text(value).includes(text(wanted)),
  containsIgnoreCase: (value, wanted) => text(value).toLowerCase().includes(text(wanted).toLowerCase()),
  notContains: (value, wanted) => !text(value).includes(text(wanted)),
  startsWith: (value, wanted) => text(value).startsWith(text(wanted)),
  endsWith: (value, wanted) => text(value).endsWith(text(wanted)),
  lt: (value, wanted) => compare(value, wanted) < 0,
  lte: (value, wanted) => compare(value, wanted) <= 0,
  gt: (value, wanted) => compare(value, wanted) > 0,
  gte: (value, wanted) => compare(value, wanted) >= 0,
  null: (value, wanted) => (value === null || value === undefined) === (wanted === true),
};

/** Reports whether a node passes a filter such as `{ state: { name: { eq: "Done" } } }`. */
function matches(node: Node, filter: JsonObject): boolean {
  return Object.entries(filter).every(([name, wanted]) => {
    if (name === "and") return objects(wanted).every((one) => matches(node, one));
    if (name === "or") return objects(wanted).some((one) => matches(node, one));
    if (name === "some") return listOf(node).some((one) => matches(one, object(wanted)));
    if (name === "every") return listOf(node).every((one) => matches(one, object(wanted)));
    const check = Object.hasOwn(COMPARATORS, name) ? COMPARATORS[name] : undefined;
    if (check !== undefined) return check(scalar(node), wanted);
    const member = memberOf(node, name);
    if (member === undefined) throw new GraphqlError(`Field "${name}" is not defined by the filter.`);
    return matches(member, object(wanted));
  });
}

const listOf = (node: Node): readonly Node[] => {
  const nodes = memberOf(node, "nodes");
  return Array.isArray(nodes) ? nodes : [];
};

export const filtered = (type: string, all: readonly Tree[], args: JsonObject): Tree =>
  connection(
    type,
    all.filter((node) => matches(node, object(args["filter"]))),
    args,
  );
