/** Scopes, error shapes and partial replies that all Google APIs share. */
import { json } from "../../engine/reply.ts";
import type { Reply, TokenProblem, TokenRoute } from "../../engine/types.ts";
import { parseJson } from "../../engine/values.ts";
import { endpoints, type Handler } from "../kit/endpoints.ts";
import { applyMask, parseMask } from "../kit/mask.ts";

const SCOPE = "https://www.googleapis.com/auth/";

/** @param names below https://www.googleapis.com/auth/, or whole URLs. */
export const googleScopes = (names: readonly string[]): string[] =>
  names.map((name) => (name.startsWith("https:") ? name : SCOPE + name));

const DENIED: Readonly<Record<TokenProblem, readonly [number, string, string, string]>> = {
  missing: [401, "UNAUTHENTICATED", "required", "Request is missing required authentication credential."],
  invalid: [401, "UNAUTHENTICATED", "authError", "Request had invalid authentication credentials."],
  expired: [401, "UNAUTHENTICATED", "authError", "Request had invalid authentication credentials."],
  revoked: [401, "UNAUTHENTICATED", "authError", "Request had invalid authentication credentials."],
  scope: [403, "PERMISSION_DENIED", "insufficientPermissions", "Request had insufficient authentication scopes."],
};

export function apiError(code: number, status: string, reason: string, message: string): Reply {
  return json(code, { error: { code, message, status, errors: [{ message, domain: "global", reason }] } });
}

/**
 * The refusals of Drive and Calendar, which have no status.
 * https://developers.google.com/workspace/drive/api/guides/handle-errors
 * @param where the parameter that is wrong.
 */
export function listedError(code: number, reason: string, message: string, where?: string): Reply {
  const location = where === undefined ? {} : { locationType: "parameter", location: where };
  return json(code, { error: { code, message, errors: [{ message, domain: "global", reason, ...location }] } });
}

/** The refusals of Docs, Sheets and Slides, which have no list of errors. */
const rpcError = (code: number, status: string, message: string): Reply =>
  json(code, { error: { code, message, status } });

export const notFound = (message = "Requested entity was not found."): Reply => rpcError(404, "NOT_FOUND", message);
export const badArgument = (message: string): Reply => rpcError(400, "INVALID_ARGUMENT", message);

export function denied(problem: TokenProblem): Reply {
  const refused = apiError(...DENIED[problem]);
  const error = problem === "scope" ? "insufficient_scope" : "invalid_token";
  const challenge = `Bearer realm="https://accounts.google.com/", error="${error}"`;
  return { ...refused, headers: { ...refused.headers, "www-authenticate": challenge } };
}

/** Returns only the members that the parameter `fields` names. */
const masked =
  (handle: Handler): Handler =>
  (context, caller) => {
    const fields = context.incoming.query.get("fields");
    const mask = fields === null ? null : parseMask(fields);
    if (fields !== null && mask === null) {
      return apiError(400, "INVALID_ARGUMENT", "invalidParameter", `Invalid field selection ${fields}`);
    }
    const reply = handle(context, caller);
    const body = mask === null || typeof reply.body !== "string" ? undefined : parseJson(reply.body);
    if (mask === null || body === undefined || reply.status >= 400) return reply;
    return { ...reply, body: JSON.stringify(applyMask(body, mask)) };
  };

/** @param scopes names below https://www.googleapis.com/auth/. */
export function googleEndpoints(
  type: string,
  host: string,
  scopes: readonly string[],
  table: Readonly<Record<string, Handler>>,
): TokenRoute[] {
  const base = { hosts: [host], denied, serves: [type] };
  const wrapped = Object.fromEntries(Object.entries(table).map(([key, handle]) => [key, masked(handle)]));
  return endpoints(base, googleScopes(scopes), wrapped);
}
