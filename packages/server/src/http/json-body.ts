/**
 * JSON bodies: valid UTF-8, of limited depth and number of values, and without keys that could
 * change a prototype when copied. An empty body counts as absent: the public clients send a JSON
 * content type without a body.
 *
 * Errors: CodedError `invalid_json`, `forbidden_key`.
 */
import { CodedError } from "../core/errors.ts";
import { FORBIDDEN_KEYS } from "../core/names.ts";
import type { HttpServer } from "./fastify.ts";

/** Valid bodies have at most four levels. The limit makes later recursion safe. */
const MAX_DEPTH = 32;
/**
 * Most values in a body. Valid bodies have a few thousand. A deployment of 30 MB has room for ten
 * million. They would take 2 GB of memory, and seven seconds in which no other request is served.
 */
const MAX_VALUES = 20_000;
const [QUOTE, COMMA, BACKSLASH, ARRAY, OBJECT] = [0x22, 0x2c, 0x5c, 0x5b, 0x7b];

export function parseJsonBodies(server: HttpServer): void {
  server.removeContentTypeParser(["application/json", "text/plain"]);
  server.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body: Buffer, done) => {
    try {
      done(null, body.length === 0 ? undefined : parseJson(body));
    } catch (error) {
      done(error instanceof CodedError ? error : new CodedError("invalid_json"), undefined);
    }
  });
}

function parseJson(body: Buffer): unknown {
  if (hasTooMany(body))
    throw new CodedError("invalid_json", { message: `The body has more than ${MAX_VALUES} values.` });
  const value: unknown = JSON.parse(decode(body));
  check(value, 0);
  return value;
}

/** Reports whether there are too many values, from the characters that separate and open them. */
function hasTooMany(body: Buffer): boolean {
  let values = 1;
  for (let at = 0; at < body.length && values <= MAX_VALUES; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) at = endOfString(body, at);
    else if (byte === COMMA || byte === ARRAY || byte === OBJECT) values += 1;
  }
  return values > MAX_VALUES;
}

/** Returns the position of the quote that ends the string, or the end of the body. */
function endOfString(body: Buffer, start: number): number {
  let at = start + 1;
  while (at < body.length && body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1;
  return at;
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new CodedError("invalid_json", { message: "The body is not valid UTF-8." });
  }
}

function check(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth === MAX_DEPTH)
    throw new CodedError("invalid_json", { message: `The body is nested deeper than ${MAX_DEPTH} levels.` });
  for (const [key, member] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(key) && !Array.isArray(value)) throw new CodedError("forbidden_key");
    check(member, depth + 1);
  }
}
