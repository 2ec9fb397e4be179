/**
 * JSON bodies: UTF-8, not nested without end, and without the keys that turn a later copy into a changed prototype. An empty
 * body is none, since the public clients announce JSON on requests that have no body.
 *
 * Errors: ApiError `invalid_json`, `forbidden_key`.
 */
import { ApiError } from "../core/errors.ts";
import type { HttpServer } from "./fastify.ts";

const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);
/** No legal body is deeper than four; what walks a body later may recurse. */
const MAX_DEPTH = 32;

export function parseJsonBodies(app: HttpServer): void {
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body: Buffer, done) => {
    try {
      done(null, body.length === 0 ? undefined : parseJson(body));
    } catch (error) {
      done(error instanceof ApiError ? error : new ApiError("invalid_json"), undefined);
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
    throw new ApiError("invalid_json", { message: "The body is not valid UTF-8." });
  }
}

function check(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth === MAX_DEPTH)
    throw new ApiError("invalid_json", { message: `The body is nested deeper than ${MAX_DEPTH} levels.` });
  for (const [key, member] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(key) && !Array.isArray(value)) throw new ApiError("forbidden_key");
    check(member, depth + 1);
  }
}
