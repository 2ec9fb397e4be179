/**
 * Scope lists (RFC 6749 §3.3): parses, formats and compares them.
 *
 * A list has no duplicates and keeps the order of first appearance. Comparisons ignore order.
 */

/**
 * Parses a `scope` value. GitHub, Slack and LinkedIn separate scopes with commas instead of spaces.
 */
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

/** Returns the scopes in `wanted` that are not in `have`. */
export function missingScopes(wanted: readonly string[], have: readonly string[]): readonly string[] {
  const present = new Set(have);
  return wanted.filter((scope) => !present.has(scope));
}

export function sameScopes(a: readonly string[], b: readonly string[]): boolean {
  return missingScopes(a, b).length === 0 && missingScopes(b, a).length === 0;
}

/**
 * RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ). Any other character could forge
 * another parameter.
 */
export const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;
