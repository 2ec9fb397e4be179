/**
 * The common parts of all vendors' APIs: tables of endpoints, pages of a list, and guards for
 * parsed JSON. Must not know any vendor.
 *
 * An API is a table from `METHOD /path` to a handler. The vendor's profile gives it the hosts, the
 * refusals and the presentation of the token.
 */
import { isObject } from "../../engine/values.ts";
import type { Caller, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../../engine/types.ts";

/** The common settings of all endpoints of one API. */
export type ApiBase = Pick<TokenRoute, "hosts" | "denied"> &
  Partial<Pick<TokenRoute, "precheck" | "presented" | "serves">>;

export type Handler = (context: RouteContext, caller: Caller) => Reply;
type Key = `${TokenRoute["method"]} /${string}`;

const isMethod = (text: string): text is TokenRoute["method"] =>
  ["GET", "POST", "PUT", "PATCH", "DELETE"].includes(text);

/** @param scopes one of which each call requires. null: any live token. */
export function endpoints(
  base: ApiBase,
  scopes: readonly string[] | null,
  table: Readonly<Record<Key, Handler>>,
): TokenRoute[] {
  return Object.entries(table).flatMap(([key, handle]) => {
    const [method = "", path = ""] = key.split(" ");
    if (!isMethod(method)) return [];
    const route = { ...base, auth: "token", kind: "resource", method, path, handle } as const;
    return scopes === null ? [route] : [{ ...route, scopes }];
  });
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The cursor of the next page, or null on the last one. */
  readonly next: string | null;
}

/** @param after a cursor of an earlier page. null or empty: the first page. */
export function pageOf<T>(all: readonly T[], size: number, after: string | null): Page<T> | null {
  const start = after === null || after === "" ? 0 : Number(after);
  if (!Number.isSafeInteger(start) || start < 0) return null;
  const end = start + size;
  return { items: all.slice(start, end), next: end < all.length ? String(end) : null };
}

/** Returns a page size within the vendor's limit. null: the caller's is not a positive integer. */
export function sizeOf(given: string | number | null, fallback: number, most: number): number | null {
  if (given === null || given === "") return fallback;
  const size = Number(given);
  return Number.isSafeInteger(size) && size > 0 ? Math.min(size, most) : null;
}

export const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

export const object = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

export const list = (value: Json | undefined): readonly Json[] => (isList(value) ? value : []);

export const objects = (value: Json | undefined): readonly JsonObject[] => list(value).filter(isObject);

/** Returns the members that are named and present. */
export function pick(from: JsonObject, names: Iterable<string>): JsonObject {
  const found = [...names].filter((name) => Object.hasOwn(from, name));
  return Object.fromEntries(found.map((name) => [name, from[name]]));
}

/** Returns the value at a path such as `emailAddress/address`. */
export const at = (from: Json | undefined, path: readonly string[]): Json | undefined =>
  path.reduce<Json | undefined>((value, name) => (isObject(value) ? value[name] : undefined), from);

export const iso = (instant: number): string => new Date(instant).toISOString();

/** Without milliseconds: `2026-11-29T00:00:00Z`. */
export const isoSeconds = (instant: number): string => `${iso(instant).slice(0, 19)}Z`;
