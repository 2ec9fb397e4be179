/**
 * Checks the visitors of pages: they need a session, and for connecting accounts a role in the
 * app's workspace.
 */
import type { FastifyRequest } from "fastify";
import { CodedError } from "../../core/errors.ts";
import type { AppId, UserId } from "../../core/types.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import { requireConnectors } from "../../service/access/entitlements.ts";
import { browserPrincipal, sessionOf, type BrowserSession } from "../auth.ts";
import type { HttpContext } from "../context.ts";

export interface SignedIn extends BrowserSession {
  readonly principal: UserId;
}

/** @throws CodedError `sign_in_required`, whose page leads to the sign-in page */
export async function signedIn(context: HttpContext, request: FastifyRequest): Promise<SignedIn> {
  const visitor = await sessionOf(context, request);
  if (visitor === null) throw new CodedError("sign_in_required");
  return { principal: visitor.user.user_id, ...visitor };
}

/**
 * Returns an app that this user can connect accounts to. Every step checks this again, so an older
 * link does not outlive the role.
 *
 * @throws CodedError `not_found`, `insufficient_role`, `plan_upgrade_required`
 */
export async function connectableApp(context: HttpContext, user_id: UserId, app_id: AppId): Promise<AppRow> {
  const app = await context.authorization.app(browserPrincipal(user_id), app_id, "connector.connect");
  requireConnectors(app.plan);
  return app;
}
