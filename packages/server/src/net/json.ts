/**
 * JSON from a stranger. Stricter than JSON.parse where leniency would mean guessing: bytes that are not UTF-8, a byte
 * order mark, a name that comes twice (which access token counts?) and deep nesting are all refused.
 */
import type { JsonValue } from "../core/types.ts";

/** Real token answers nest three levels deep. Recursive code downstream must not meet thousands. */
const MAX_DEPTH = 32;
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}:]/gs;

/** The text of a body, or null when it is not UTF-8. A byte order mark stays, and is refused by the parser. */
export function decodeUtf8(body: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return null;
  }
}

/** The value, or undefined when the text is not JSON or is JSON of a refused kind. */
export function parseJson(text: string): JsonValue | undefined {
  if (!isUnambiguous(text)) return undefined;
  try {
    const value: JsonValue = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

/** One pass over strings and brackets. On malformed text the result means nothing, and JSON.parse refuses it anyway. */
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

/** `"\u0061"` and `"a"` are the same name. */
function unescaped(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    return token;
  }
}
