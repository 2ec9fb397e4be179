/**
 * Signing in by a setup link, by password or by an invitation, and signing out. Opening a link
 * changes nothing, because link previews fetch it too.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { CodedError } from "../../core/errors.ts";
import { localPath } from "../../core/local-path.ts";
import { Secret } from "../../core/secret.ts";
import type { NewAccount } from "../../service/accounts/accounts.ts";
import type { InvitationView } from "../../service/accounts/workspaces.ts";
import { checkForm, formToken, sessionOf, visitorOf } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { clearCookie, readCookie, setCookie } from "../cookies.ts";
import type { HttpServer } from "../fastify.ts";
import { textOf, type FormRoute } from "./form.ts";
import { checkGuestForm, guestFormToken } from "./guest-form.ts";
import { sendPage } from "./page.ts";
import { invitationPage, joinPage, setupPage, SIGNED_OUT, signInPage } from "./sign-in-views.ts";
import { signedIn } from "./signed-in.ts";

interface LinkRoute {
  Params: { token: string };
}

export function signInPages(server: HttpServer, context: HttpContext): void {
  setupRoutes(server, context);
  passwordRoutes(server, context);
  signOutRoute(server, context);
  invitationRoutes(server, context);
}

function setupRoutes(server: HttpServer, context: HttpContext): void {
  const { accounts, config } = context;

  server.get<LinkRoute>("/setup/:token", async (request, reply) => {
    const view = await accounts.viewSetup(request.params.token);
    return await sendPage(reply, config, setupPage(view, guestFormToken(context, request, reply)));
  });

  server.post<LinkRoute & FormRoute>("/setup/:token", async (request, reply) => {
    await accounts.viewSetup(request.params.token);
    checkGuestForm(context, request, request.body?.["form_token"]);
    const session = await accounts.setUp(request.params.token, accountOf(request.body), visitorOf(request));
    return await startSession(context, request, reply, session, "/");
  });
}

function passwordRoutes(server: HttpServer, context: HttpContext): void {
  const { accounts, config } = context;

  server.get<{ Querystring: Record<string, unknown> }>("/sign-in", (request, reply) => {
    const next = localPath(request.query["next"]);
    return sendPage(reply, config, signInPage(next, "", null, guestFormToken(context, request, reply)));
  });

  server.post<FormRoute>("/sign-in", async (request, reply) => {
    const form = request.body ?? {};
    checkGuestForm(context, request, form["form_token"]);
    const next = localPath(form["next"]);
    const email = textOf(form["email"]);
    const password = new Secret(textOf(form["password"]));
    try {
      const session = await accounts.signIn(email, password, visitorOf(request));
      return await startSession(context, request, reply, session, next);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== "sign_in_failed") throw error;
      return await sendPage(
        reply,
        config,
        signInPage(next, email, error.message, guestFormToken(context, request, reply)),
      );
    }
  });
}

function signOutRoute(server: HttpServer, context: HttpContext): void {
  server.post<FormRoute>("/sign-out", async (request, reply) => {
    const { session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    await context.accounts.signOut(session);
    clearCookie(reply, context.config, "session");
    return await sendPage(reply, context.config, SIGNED_OUT);
  });
}

function invitationRoutes(server: HttpServer, context: HttpContext): void {
  const { accounts, workspaces, config, urls } = context;

  server.get<LinkRoute>("/invitations/:token", async (request, reply) => {
    const { token } = request.params;
    const view = await workspaces.viewInvitation(token);
    const visitor = await sessionOf(context, request);
    const page =
      visitor === null
        ? invitationPage(view, token, guestFormToken(context, request, reply))
        : joinPage(view, visitor.user.email, formToken(visitor.session));
    return await sendPage(reply, config, page);
  });

  server.post<LinkRoute & FormRoute>("/invitations/:token", async (request, reply) => {
    const { token } = request.params;
    const view = await workspaces.viewInvitation(token);
    const form = request.body ?? {};
    const visitor = await sessionOf(context, request);
    if (visitor !== null) {
      checkForm(context, request, visitor.session, form["form_token"]);
      await workspaces.accept(token, visitor.user.user_id);
      recordJoin(context, view, visitor.user.user_id);
      return await reply.redirect(`${urls.public_url}/`, 303);
    }
    checkGuestForm(context, request, form["form_token"]);
    // The invitation is for its own address. The form cannot choose another.
    const account = { ...accountOf(form), email: view.email };
    const { user_id, session } = await accounts.createAccount(account, visitorOf(request));
    await workspaces.accept(token, user_id);
    recordJoin(context, view, user_id);
    return await startSession(context, request, reply, session, "/");
  });
}

/** Replaces this browser's session with a new one and redirects to `next`. */
async function startSession(
  { accounts, config, urls }: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  session: Secret,
  next: string,
): Promise<FastifyReply> {
  const previous = readCookie(request, config, "session");
  if (previous !== null) await accounts.signOut(previous);
  setCookie(reply, config, "session", session, config.limits.session_absolute_ms / 1000);
  return await reply.redirect(`${urls.public_url}${next}`, 303);
}

function recordJoin(context: HttpContext, { workspace_id, role }: InvitationView, user_id: string): void {
  context.audit.record({ actor: `user:${user_id}`, action: "member.join", target: role, workspace_id });
}

function accountOf(form: Readonly<Record<string, unknown>> = {}): NewAccount {
  return {
    name: textOf(form["name"]),
    email: textOf(form["email"]),
    password: new Secret(textOf(form["password"])),
  };
}
