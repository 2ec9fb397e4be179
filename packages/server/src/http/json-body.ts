/**
 * JSON bodies: valid UTF-8, of limited depth, and without keys that could change a prototype when
 * copied. An empty body counts as absent: the public clients send a JSON content type without a
 * body.
 *
 * Errors: CodedError `invalid_json`, `forbidden_key`.
 */
import { CodedError } from "../core/errors.ts";
import { FORBIDDEN_KEYS } from "../core/names.ts";
import type { HttpServer } from "./fastify.ts";

/** Valid bodies have at most four levels. The limit makes later recursion safe. */
const MAX_DEPTH = 32;

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
  const value: unknown = JSON.parse(decode(body));
  check(value, 0);
  return value;
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
