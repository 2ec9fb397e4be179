/**
 * Strict JSON, for responses that cannot be trusted. Stricter than JSON.parse: rejects bytes that
 * are not UTF-8, a byte order mark, deep nesting, and duplicate names (which access token would
 * count?).
 */
import type { JsonValue } from "../core/types.ts";

/** Real token responses nest three levels deep. Deep nesting would overflow recursive code. */
const MAX_DEPTH = 32;
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:]/gs;

/**
 * Returns a body's text, or null if it is not UTF-8. Keeps a byte order mark, which the parser
 * rejects.
 */
export function decodeUtf8(body: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return null;
  }
}

/** Returns the value, or undefined if the text is not JSON or is rejected. */
export function parseJson(text: string): JsonValue | undefined {
  if (!isUnambiguous(text)) return undefined;
  try {
    const value: JsonValue = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

/**
 * Checks names and depth in one pass over strings and brackets. For malformed text the result is
 * arbitrary, because JSON.parse rejects it anyway.
 */
function isUnambiguous(text: string): boolean {
  const open: Set<string>[] = [];
  let last = "";
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "{" || token === "[") {
      if (open.length === MAX_DEPTH) return false;
      open.push(new Set());
    } else if (token === "}" || token === "]") {
      open.pop();
    } else if (token === ":") {
      const name = unescaped(last);
      if (open.at(-1)?.has(name) === true) return false;
      open.at(-1)?.add(name);
    }
    last = token;
  }
  return true;
}

/** Resolves escapes, because `"\u0061"` and `"a"` are the same name. */
function unescaped(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    return token;
  }
}
