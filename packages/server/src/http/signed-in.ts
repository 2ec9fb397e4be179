/** Pages for people: who is not signed in gets told how, with nothing changed. */
import type { FastifyRequest } from "fastify";
import { ApiError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { HttpContext } from "./context.ts";
import { readCookie } from "./cookies.ts";

/** @throws ApiError `sign_in_required` */
export async function signedIn(
  context: HttpContext,
  request: FastifyRequest,
): Promise<{ principal: string; session: Secret }> {
  const session = readCookie(request, context.config, "session");
  const principal = session === null ? null : await context.administrator.principalOf(session);
  if (session === null || principal === null) throw new ApiError("sign_in_required");
  return { principal, session };
}
