/** Scopes and error shapes that all Google APIs share. */
import { json } from "../engine/reply.ts";
import type { Reply, TokenProblem } from "../engine/types.ts";

const SCOPE = "https://www.googleapis.com/auth/";

export const googleScopes = (names: readonly string[]): string[] => names.map((name) => SCOPE + name);

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

export function denied(problem: TokenProblem): Reply {
  const refused = apiError(...DENIED[problem]);
  const error = problem === "scope" ? "insufficient_scope" : "invalid_token";
  const challenge = `Bearer realm="https://accounts.google.com/", error="${error}"`;
  return { ...refused, headers: { ...refused.headers, "www-authenticate": challenge } };
}
