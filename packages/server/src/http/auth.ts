/** Who is calling: reading credentials from requests. What a credential is worth is service/access/credentials.ts' business. */
import { createHmac } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { ApiError } from "../core/errors.ts";
import { asAppId, asWorkspaceId, sameDigest } from "../core/ids.ts";
import type { Role } from "../core/roles.ts";
import type { Secret } from "../core/secret.ts";
import type { AppId, UserId, WorkspaceId } from "../core/types.ts";
import type { Visitor } from "../service/accounts/accounts.ts";
import type { AppRow } from "../service/apps/apps.ts";
import { requireConnectors, type Action, type BuilderPrincipal } from "../service/access/authorization.ts";
import { requireStanding, type AppPrincipal } from "../service/access/credentials.ts";
import { clientAddress, clientNetwork } from "./client-address.ts";
import type { HttpContext } from "./context.ts";
import { readCookie } from "./cookies.ts";

/** RFC 6750 §2.1, and nothing more lenient: one header, one blank, no other scheme. */
const BEARER = /^Bearer ([\x21-\x7e]{1,8192})$/;
const URL_CREDENTIALS = ["access_token", "token", "api_key", "service_token"];

/** A token in an address is refused even when a good one stands in the header, so that the leak is noticed. */
function refuseTokenInUrl(context: HttpContext, request: FastifyRequest): void {
  const query = request.query;
  if (typeof query !== "object" || query === null || !URL_CREDENTIALS.some((name) => Object.hasOwn(query, name)))
    return;
  context.audit.record({
    app_id: "",
    actor: request.ip,
    action: "token_in_url",
    target: request.routeOptions.url ?? null,
    request_id: request.id,
  });
  throw new ApiError("token_in_url");
}

export function bearerOf(request: FastifyRequest): string | null {
  const { authorization } = request.headers;
  if (authorization === undefined) return null;
  const sent = request.raw.rawHeaders.filter(
    (name, index) => index % 2 === 0 && name.toLowerCase() === "authorization",
  );
  const bearer = BEARER.exec(authorization)?.[1];
  if (sent.length !== 1 || bearer === undefined) throw new ApiError("malformed_token");
  return bearer;
}

/**
 * The backend of the app in the path. A token of another app gets the very answer that an app which is not there gets, so
 * that nobody can find out which apps exist.
 */
export async function requireApp(context: HttpContext, request: FastifyRequest, app_id: string): Promise<AppPrincipal> {
  refuseTokenInUrl(context, request);
  const bearer = bearerOf(request);
  if (bearer === null) {
    const { api_key } = request.headers;
    if (typeof api_key !== "string") throw new ApiError("missing_token");
    await context.credentials.builder(api_key);
    throw new ApiError("service_token_required");
  }
  const principal = await context.credentials.app(bearer);
  if (principal.app_id !== app_id) throw new ApiError("not_found");
  requireStanding(principal.standing);
  return principal;
}

/**
 * A builder, by API key, by a command line's session or by a browser's; a browser's request must come from a page of ours
 * when it changes something.
 */
export async function requireBuilder(context: HttpContext, request: FastifyRequest): Promise<BuilderPrincipal> {
  refuseTokenInUrl(context, request);
  const { api_key } = request.headers;
  if (typeof api_key === "string") return context.credentials.builder(api_key.trim());
  const bearer = bearerOf(request);
  if (bearer !== null) return context.credentials.builder(bearer);
  const user_id = await sessionPrincipal(context, request);
  if (user_id === null)
    throw new ApiError("missing_token", {
      message: "Send an API key: the header api_key with a key that starts with b44k_.",
    });
  if (request.method !== "GET" && !isSameOrigin(context, request, "required")) throw new ApiError("csrf");
  return browserPrincipal(user_id);
}

/** Somebody on a page of ours. */
export function browserPrincipal(user_id: UserId): BuilderPrincipal {
  return { kind: "builder", user_id, actor: `user:${user_id}`, workspace_id: null, scope: null };
}

export interface AppBuilder extends BuilderPrincipal {
  readonly app_id: AppId;
  readonly app: AppRow;
}

/**
 * A builder who may do this to the app of the path. What concerns connectors needs the plan for them, too, all but their end:
 * whoever pays no more must still be able to take back what was given.
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
  /** The principal's, there. */
  readonly role: Role;
}

/** A builder who may do this to the workspace of the path. */
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

/** What needs a person behind it, such as a consent. @throws ApiError `no_account` */
export function personBehind({ user_id }: BuilderPrincipal): UserId {
  if (user_id === null) throw new ApiError("no_account");
  return user_id;
}

export async function sessionPrincipal(context: HttpContext, request: FastifyRequest): Promise<UserId | null> {
  const session = readCookie(request, context.config, "session");
  const person = session === null ? null : await context.accounts.personOf(session);
  return person?.user_id ?? null;
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
 * Whether a browser says that a page of ours sent this. `required`: a request that says nothing is refused too; otherwise
 * another proof (a form's token) must stand in for it, since only programs send neither header.
 */
export function isSameOrigin(context: HttpContext, request: FastifyRequest, proof: "required" | "if_sent"): boolean {
  const { origin } = request.headers;
  const site = request.headers["sec-fetch-site"];
  if (site === undefined && origin === undefined) return proof === "if_sent";
  if (site !== undefined && site !== "same-origin") return false;
  return origin === undefined || origin === context.config.public_url;
}

/** The token in our forms: bound to the session, unknown to other sites. */
export function formToken(session: Secret): string {
  return createHmac("sha256", session.expose()).update("form").digest("base64url");
}

export function checkForm(context: HttpContext, request: FastifyRequest, session: Secret, given: unknown): void {
  const expected = Buffer.from(formToken(session));
  const valid = typeof given === "string" && sameDigest(Buffer.from(given), expected);
  if (!valid || !isSameOrigin(context, request, "if_sent")) throw new ApiError("csrf");
}
