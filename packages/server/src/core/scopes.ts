/**
 * Scope lists (RFC 6749 §3.3): parsing what vendors send, formatting what they expect, comparing sets.
 *
 * A list is kept sorted by first appearance and free of duplicates; comparisons ignore order.
 */

/** Commas and blanks both separate: GitHub, Slack and LinkedIn answer with commas where the RFC has blanks. */
export function parseScopes(value: unknown): readonly string[] {
  if (Array.isArray(value)) return unique(value.filter((item): item is string => typeof item === "string"));
  if (typeof value !== "string") return [];
  return unique(value.split(/[\s,]+/u));
}

export function formatScopes(scopes: readonly string[], separator: " " | ","): string {
  return scopes.join(separator);
}

export function unique(scopes: readonly string[]): readonly string[] {
  return [...new Set(scopes.map((scope) => scope.trim()).filter((scope) => scope !== ""))];
}

/** What is in `wanted` but not in `have`. */
export function missingScopes(wanted: readonly string[], have: readonly string[]): readonly string[] {
  const present = new Set(have);
  return wanted.filter((scope) => !present.has(scope));
}

export function sameScopes(a: readonly string[], b: readonly string[]): boolean {
  return missingScopes(a, b).length === 0 && missingScopes(b, a).length === 0;
}

/** RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ). Anything else could forge another parameter. */
export const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;
