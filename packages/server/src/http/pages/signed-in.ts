/** Pages for people: who is not signed in gets told how, with nothing changed. */
import type { FastifyRequest } from "fastify";
import { ApiError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId, UserId } from "../../core/types.ts";
import type { Person } from "../../service/accounts/accounts.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import { requireConnectors } from "../../service/access/authorization.ts";
import { browserPrincipal } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { readCookie } from "../cookies.ts";

export interface SignedIn {
  readonly principal: UserId;
  readonly person: Person;
  readonly session: Secret;
}

/** @throws ApiError `sign_in_required` */
export async function signedIn(context: HttpContext, request: FastifyRequest): Promise<SignedIn> {
  const session = readCookie(request, context.config, "session");
  const person = session === null ? null : await context.accounts.personOf(session);
  if (session === null || person === null) throw new ApiError("sign_in_required");
  return { principal: person.user_id, person, session };
}

/** Whether this person may connect accounts to the app. A link that was made in better times does not outlive the role. */
export async function mayConnect(context: HttpContext, user_id: UserId, app_id: AppId): Promise<AppRow> {
  const app = await context.authorization.app(browserPrincipal(user_id), app_id, "connector.connect");
  requireConnectors(app.plan);
  return app;
}
