/**
 * Authenticates the caller of a request: reads its credential, and gets its user and rights from
 * the services. Owns the rules for headers, cookies and forms.
 *
 * Must not know how credentials are stored or checked: that is service/access/.
 */
import { createHmac } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { CodedError } from "../core/errors.ts";
import { asAppId, asWorkspaceId, sameDigest } from "../core/ids.ts";
import type { Role } from "../core/roles.ts";
import type { Secret } from "../core/secret.ts";
import type { AppId, UserId, WorkspaceId } from "../core/types.ts";
import type { SessionUser, Visitor } from "../service/accounts/accounts.ts";
import type { AppRow } from "../service/apps/apps.ts";
import type { Action } from "../service/access/actions.ts";
import { requireConnectors, requireEntitled } from "../service/access/entitlements.ts";
import type { AppPrincipal, BuilderPrincipal } from "../service/access/principals.ts";
import { bridgeOf } from "./bridge.ts";
import { clientAddress, clientNetwork } from "./client-address.ts";
import type { HttpContext } from "./context.ts";
import { readCookie } from "./cookies.ts";

/** RFC 6750 §2.1, strictly: one header, one space, no other scheme. */
const BEARER = /^Bearer ([\x21-\x7e]{1,8192})$/;
const URL_CREDENTIALS = ["access_token", "token", "api_key", "service_token"];

/**
 * Refuses a token in the address even with a valid one in the header, so that the leak is noticed.
 */
function refuseTokenInUrl(context: HttpContext, request: FastifyRequest): void {
  const query = request.query;
  if (typeof query !== "object" || query === null || !URL_CREDENTIALS.some((name) => Object.hasOwn(query, name)))
    return;
  context.audit.record({
    actor: request.ip,
    action: "token_in_url",
    target: request.routeOptions.url ?? null,
  });
  throw new CodedError("token_in_url");
}

/**
 * Returns the bearer token, or null without an Authorization header.
 *
 * @throws CodedError `malformed_token`
 */
export function bearerOf(request: FastifyRequest): string | null {
  if (request.headers.authorization === undefined) return null;
  const bearer = wellFormedBearer(request);
  if (bearer === null) throw new CodedError("malformed_token");
  return bearer;
}

export function wellFormedBearer(request: FastifyRequest): string | null {
  const sent = request.raw.rawHeaders.filter(
    (name, index) => index % 2 === 0 && name.toLowerCase() === "authorization",
  );
  const bearer = BEARER.exec(request.headers.authorization ?? "")?.[1];
  return sent.length === 1 && bearer !== undefined ? bearer : null;
}

/**
 * Returns the bearer token of an app's user, for its function. Null if it cannot be verified: a
 * webhook's sender, for example, has an Authorization of its own.
 */
export async function userBearerOf(
  { appUsers }: HttpContext,
  request: FastifyRequest,
  app_id: AppId,
): Promise<string | null> {
  const bearer = wellFormedBearer(request);
  return bearer !== null && (await appUsers.verify(app_id, bearer)) !== null ? bearer : null;
}

/**
 * Requires a token of the app in the path. A token of another app gets the same reply as an unknown
 * app, so that callers cannot discover which apps exist.
 *
 * @throws CodedError `missing_token`, `service_token_required`, `not_found`, and those of the token
 */
export async function requireAppToken(
  context: HttpContext,
  request: FastifyRequest,
  app_id: string,
): Promise<AppPrincipal> {
  refuseTokenInUrl(context, request);
  const bearer = bearerOf(request);
  if (bearer === null) {
    const { api_key } = request.headers;
    if (typeof api_key !== "string") throw new CodedError("missing_token");
    await context.credentials.builder(api_key);
    throw new CodedError("service_token_required");
  }
  const principal = await context.credentials.app(bearer, bridgeOf(request)?.process_id ?? null);
  if (principal.app_id !== app_id) throw new CodedError("not_found");
  requireEntitled(principal.entitlements);
  return principal;
}

/**
 * Requires a builder, by API key, command line session or browser session. With a browser session,
 * a request that changes something must come from one of our pages.
 *
 * @throws CodedError `missing_token`, `csrf`, and those of the credential
 */
export async function requireBuilder(context: HttpContext, request: FastifyRequest): Promise<BuilderPrincipal> {
  refuseTokenInUrl(context, request);
  const { api_key } = request.headers;
  if (typeof api_key === "string") return await context.credentials.builder(api_key.trim());
  const bearer = bearerOf(request);
  if (bearer !== null) return await context.credentials.builder(bearer);
  const visitor = await sessionOf(context, request);
  if (visitor === null)
    throw new CodedError("missing_token", {
      message: "Send an API key: the header api_key with a key that starts with b44k_.",
    });
  if (request.method !== "GET" && !isSameOrigin(context, request, "required")) throw new CodedError("csrf");
  return browserPrincipal(visitor.user.user_id);
}

/** Returns the principal of a user who is signed in to the pages. */
export function browserPrincipal(user_id: UserId): BuilderPrincipal {
  return { kind: "builder", user_id, actor: `user:${user_id}`, workspace_id: null, scope: null };
}

export interface AppBuilder extends BuilderPrincipal {
  readonly app_id: AppId;
  readonly app: AppRow;
}

/**
 * Requires a builder who is allowed to do `action` to the app of the path. Actions on connectors
 * also need a plan with connectors. Disconnecting does not: access must be revocable after a
 * downgrade.
 */
export async function requireAppBuilder(
  context: HttpContext,
  request: FastifyRequest,
  app_id: string,
  action: Action,
): Promise<AppBuilder> {
  const principal = await requireBuilder(context, request);
  const app = await context.authorization.app(principal, asAppId(app_id), action);
  if (action.startsWith("connector.") && action !== "connector.disconnect") requireConnectors(app.plan);
  return { ...principal, app_id: app.id, app };
}

export interface WorkspaceBuilder {
  readonly principal: BuilderPrincipal;
  readonly id: WorkspaceId;
  /** The principal's role in this workspace. */
  readonly role: Role;
}

/** Requires a builder who is allowed to do `action` to the workspace of the path. */
export async function requireWorkspaceBuilder(
  context: HttpContext,
  request: FastifyRequest,
  workspace_id: string,
  action: Action,
): Promise<WorkspaceBuilder> {
  const principal = await requireBuilder(context, request);
  const id = asWorkspaceId(workspace_id);
  return { principal, id, role: await context.authorization.require(principal, id, action) };
}

/**
 * Returns the user behind a credential, which a consent needs.
 *
 * @throws CodedError `no_account`
 */
export function requireUser({ user_id }: BuilderPrincipal): UserId {
  if (user_id === null) throw new CodedError("no_account");
  return user_id;
}

/** A live session of a browser, and its user. */
export interface BrowserSession {
  readonly session: Secret;
  readonly user: SessionUser;
}

export async function sessionOf(
  { accounts, config }: HttpContext,
  request: FastifyRequest,
): Promise<BrowserSession | null> {
  const session = readCookie(request, config, "session");
  const user = session === null ? null : await accounts.userOf(session);
  return session === null || user === null ? null : { session, user };
}

export function visitorOf(request: FastifyRequest): Visitor {
  return {
    address: clientAddress(request),
    network: clientNetwork(request),
    user_agent: request.headers["user-agent"] ?? "",
    request_id: request.id,
  };
}

/**
 * Reports whether one of our pages sent this request, according to the browser's headers. Only
 * programs send neither header. `required` refuses those too, and `if_sent` relies on another
 * proof, such as a form's token.
 */
export function isSameOrigin(context: HttpContext, request: FastifyRequest, proof: "required" | "if_sent"): boolean {
  const { origin } = request.headers;
  const site = request.headers["sec-fetch-site"];
  if (site === undefined && origin === undefined) return proof === "if_sent";
  if (site !== undefined && site !== "same-origin") return false;
  return origin === undefined || origin === context.config.public_url;
}

/** Returns the token for our forms. It is bound to the session, and other sites cannot know it. */
export function formToken(session: Secret): string {
  return createHmac("sha256", session.expose()).update("form").digest("base64url");
}

/**
 * Requires a form that one of our pages showed in this session.
 *
 * @throws CodedError `csrf`
 */
export function checkForm(context: HttpContext, request: FastifyRequest, session: Secret, form_token: unknown): void {
  const expected = Buffer.from(formToken(session));
  const valid = typeof form_token === "string" && sameDigest(Buffer.from(form_token), expected);
  if (!valid || !isSameOrigin(context, request, "if_sent")) throw new CodedError("csrf");
}
