/**
 * App users: the user of a request, the token with which a builder acts as a user, and the issuers
 * of an app. Requests contain secrets. Replies never do.
 */
import { CodedError } from "../../core/errors.ts";
import { asAppId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { AppUser } from "../../service/users/app-users.ts";
import { AppParams } from "../../wire/fields.ts";
import { DoneReply } from "../../wire/management.ts";
import {
  IssuerParams,
  IssuerReply,
  IssuersReply,
  ListedUserReply,
  PublishedUrlReply,
  PutIssuerBody,
  SetUserRoleBody,
  UserParams,
  UserReply,
  UsersQuery,
  UsersReply,
  UserTokenReply,
} from "../../wire/users.ts";
import { bearerOf, requireAppBuilder, requireUser } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import type { HttpServer } from "../fastify.ts";

const BASE = "/api/management/apps/:app";
/** A function sees this when its caller sent no token, or one that the server removed. */
const NO_USER =
  "No user is signed in. Send an app user's token to the function: Authorization: Bearer <token>. If the caller did, no issuer of the app verified it: the server logs the reason at level debug (user_token_refused).";
const DONE = { status: "done" as const };

/** The one route for app users. Browsers on other origins call it too. */
export function signedInUserRoute(server: HttpServer, { appUsers }: HttpContext): void {
  // The usual guard of a function is `auth.me()` or `auth.isAuthenticated()`. Any 2xx lets the
  // caller in. An unknown app gets the same reply as a bearer that is not one of its users.
  server.get(
    "/api/apps/:app/entities/User/me",
    { config: { bridge: true }, schema: { params: AppParams, response: { 200: UserReply } } },
    async (request, reply) => {
      const bearer = bearerOf(request);
      if (bearer === null) throw new CodedError("missing_token", { message: NO_USER });
      const user = await appUsers.verify(asAppId(request.params.app), bearer);
      if (user === null) throw new CodedError("invalid_token");
      void reply.header("cache-control", "no-store");
      return userReply(user);
    },
  );
}

function userReply({ id, app_id, email, full_name, role, created_at, last_seen_at }: AppUser) {
  return {
    id,
    created_date: new Date(created_at).toISOString(),
    updated_date: new Date(last_seen_at).toISOString(),
    email,
    full_name,
    disabled: null,
    app_id,
    is_service: false,
    _app_role: role,
    role,
  };
}

export function appUserRoutes(server: HttpServer, context: HttpContext): void {
  execRoutes(server, context);
  issuerRoutes(server, context);
  userRoutes(server, context);
}

/** The two requests of the public command line's `exec`. */
function execRoutes(server: HttpServer, context: HttpContext): void {
  const { appUsers, audit, urls } = context;

  server.get(
    "/api/apps/:app/auth/token",
    { schema: { params: AppParams, response: { 200: UserTokenReply } } },
    async (request, reply) => {
      const builder = await requireAppBuilder(context, request, request.params.app, "app_user.token");
      const { app_id, actor } = builder;
      const user_id = requireUser(builder);
      const token = await appUsers.issueToken(app_id, user_id);
      await audit.release({ app_id, actor, action: "app_user.token", target: user_id });
      void reply.header("cache-control", "no-store");
      return { token: token.expose() };
    },
  );

  server.get(
    "/api/apps/platform/:app/published-url",
    { schema: { params: AppParams, response: { 200: PublishedUrlReply } } },
    async (request) => {
      await requireAppBuilder(context, request, request.params.app, "app.read");
      return { url: urls.public_url };
    },
  );
}

function issuerRoutes(server: HttpServer, context: HttpContext): void {
  const { audit } = context;
  const { issuers } = context.appUsers;

  server.get(`${BASE}/issuers`, { schema: { params: AppParams, response: { 200: IssuersReply } } }, async (request) => {
    const { app_id } = await requireAppBuilder(context, request, request.params.app, "app_issuer.read");
    return {
      issuers: (await issuers.list(app_id)).map(({ audiences, ...issuer }) => ({
        ...issuer,
        audiences: [...audiences],
      })),
    };
  });

  server.post(
    `${BASE}/issuers`,
    { schema: { params: AppParams, body: PutIssuerBody, response: { 200: IssuerReply } } },
    async (request) => {
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, "app_issuer.manage");
      const { url = null, audiences = [], secret, skip_check = false, ...rest } = request.body;
      const issuer = { ...rest, url, audiences, secret: secret === undefined ? null : new Secret(secret) };
      const stored = await issuers.put(app_id, issuer, { skip_check });
      audit.record({ app_id, actor, action: "app_issuer.add", target: stored.id });
      return { ...stored, audiences: [...stored.audiences] };
    },
  );

  server.delete(
    `${BASE}/issuers/:issuer`,
    { schema: { params: IssuerParams, response: { 200: DoneReply } } },
    async (request) => {
      const { app, issuer: target } = request.params;
      const { app_id, actor } = await requireAppBuilder(context, request, app, "app_issuer.manage");
      await issuers.remove(app_id, target);
      audit.record({ app_id, actor, action: "app_issuer.remove", target });
      return DONE;
    },
  );
}

function userRoutes(server: HttpServer, context: HttpContext): void {
  const { appUsers, audit } = context;

  server.get(
    `${BASE}/users`,
    { schema: { params: AppParams, querystring: UsersQuery, response: { 200: UsersReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "app_user.read");
      const { users, next } = await appUsers.list(app_id, request.query.cursor ?? null);
      return { users: [...users], next };
    },
  );

  server.patch(
    `${BASE}/users/:user`,
    { schema: { params: UserParams, body: SetUserRoleBody, response: { 200: ListedUserReply } } },
    async (request) => {
      const { app, user } = request.params;
      const { role } = request.body;
      const { app_id, actor } = await requireAppBuilder(context, request, app, "app_user.manage");
      const changed = await appUsers.setRole(app_id, user, role);
      audit.record({ app_id, actor, action: "app_user.role", target: `${user}:${role}` });
      return changed;
    },
  );
}
