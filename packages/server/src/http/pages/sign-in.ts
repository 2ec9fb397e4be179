/**
 * Getting in: by a setup link, by password, by an invitation; and out again. Opening a link changes nothing: it may be fetched
 * by whatever previews links.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { NewAccount, SetupView } from "../../service/accounts/accounts.ts";
import type { InvitationView } from "../../service/accounts/workspaces.ts";
import type { HttpServer } from "../fastify.ts";
import { checkForm, formToken, visitorOf } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { clearCookie, readCookie, setCookie } from "../cookies.ts";
import { checkGuestForm, guestFormToken } from "./guest-form.ts";
import { html, type Html } from "./html.ts";
import { localPath } from "../local-path.ts";
import { sendPage, type Page } from "./page.ts";
import { signedIn } from "./signed-in.ts";

type Form = { Body: Record<string, unknown> | undefined };
type Link = { Params: { token: string } };

export function signInPages(app: HttpServer, context: HttpContext): void {
  const { accounts, workspaces, audit, config, urls, limits } = { ...context, limits: context.config.limits };
  const tokenFor = (request: FastifyRequest, reply: FastifyReply): string => guestFormToken(context, request, reply);

  /** A new session in place of the one that this browser had. */
  async function enter(request: FastifyRequest, reply: FastifyReply, session: Secret, next: string) {
    const before = readCookie(request, config, "session");
    if (before !== null) await accounts.signOut(before);
    setCookie(reply, config, "session", session, limits.session_absolute_ms / 1000);
    return reply.redirect(`${urls.public_url}${next}`, 303);
  }

  app.get<Link>("/setup/:token", async (request, reply) =>
    sendPage(reply, config, setupPage(await accounts.viewSetup(request.params.token), tokenFor(request, reply))),
  );

  app.post<Link & Form>("/setup/:token", async (request, reply) => {
    await accounts.viewSetup(request.params.token);
    checkGuestForm(context, request, request.body?.["form_token"]);
    const session = await accounts.setUp(request.params.token, accountOf(request.body), visitorOf(request));
    return enter(request, reply, session, "/");
  });

  app.get<{ Querystring: Record<string, unknown> }>("/sign-in", (request, reply) =>
    sendPage(reply, config, signInPage(localPath(request.query["next"]), "", null, tokenFor(request, reply))),
  );

  app.post<Form>("/sign-in", async (request, reply) => {
    const form = request.body ?? {};
    checkGuestForm(context, request, form["form_token"]);
    const next = localPath(form["next"]);
    const email = textOf(form["email"]);
    const password = new Secret(textOf(form["password"]));
    try {
      return await enter(request, reply, await accounts.signIn(email, password, visitorOf(request)), next);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "sign_in_failed") throw error;
      return sendPage(reply, config, signInPage(next, email, error.message, tokenFor(request, reply)));
    }
  });

  app.post<Form>("/sign-out", async (request, reply) => {
    const { session } = await signedIn(context, request);
    checkForm(context, request, session, request.body?.["form_token"]);
    await accounts.signOut(session);
    clearCookie(reply, config, "session");
    return sendPage(reply, config, { title: "Signed out", mark: "good", body: html`<p>You can close this page.</p>` });
  });

  app.get<Link>("/invitations/:token", async (request, reply) => {
    const view = await workspaces.viewInvitation(request.params.token);
    const session = readCookie(request, config, "session");
    const person = session === null ? null : await accounts.personOf(session);
    if (session !== null && person !== null) return sendPage(reply, config, joinPage(view, person.email, session));
    return sendPage(reply, config, invitationPage(view, request.params.token, tokenFor(request, reply)));
  });

  app.post<Link & Form>("/invitations/:token", async (request, reply) => {
    const { token } = request.params;
    const view = await workspaces.viewInvitation(token);
    const form = request.body ?? {};
    const before = readCookie(request, config, "session");
    const person = before === null ? null : await accounts.personOf(before);
    if (before !== null && person !== null) {
      checkForm(context, request, before, form["form_token"]);
      await workspaces.accept(token, person.user_id);
      joined(request, view, person.user_id);
      return reply.redirect(`${urls.public_url}/`, 303);
    }
    checkGuestForm(context, request, form["form_token"]);
    // The address is the invited one, whatever the form says: that is who was meant.
    const given = { ...accountOf(form), email: view.email };
    const { user_id, session } = await accounts.createAccount(given, visitorOf(request));
    await workspaces.accept(token, user_id);
    joined(request, view, user_id);
    return enter(request, reply, session, "/");
  });

  function joined(request: FastifyRequest, { workspace_id, role }: InvitationView, user_id: string): void {
    audit.record({
      app_id: "",
      workspace_id,
      actor: `user:${user_id}`,
      action: "member.join",
      target: role,
      request_id: request.id,
    });
  }
}

const textOf = (value: unknown): string => (typeof value === "string" ? value.slice(0, 1_024) : "");

function accountOf(form: Readonly<Record<string, unknown>> = {}): NewAccount {
  return {
    name: textOf(form["name"]),
    email: textOf(form["email"]),
    password: new Secret(textOf(form["password"])),
  };
}

const tokenField = (form_token: string): Html => html`<input type="hidden" name="form_token" value="${form_token}" />`;
const NAME = html`<label>Name <input name="name" maxlength="100" autocomplete="name" required /></label>`;
const NEW_PASSWORD = html`<label
  >Password <small>10 characters or more</small>
  <input name="password" type="password" minlength="10" maxlength="128" autocomplete="new-password" required
/></label>`;
const emailField = (value: string): Html =>
  html`<label
    >E-mail address <input name="email" type="email" value="${value}" maxlength="254" autocomplete="username" required
  /></label>`;

function setupPage({ as, is_first }: SetupView, form_token: string): Page {
  if (as !== null)
    return {
      title: "Sign in",
      body: html`<p>This link signs you in as <b>${as.name}</b>, ${as.email}. It works once.</p>
        <form method="post">${tokenField(form_token)}<button>Sign in</button></form>`,
    };
  const text = is_first
    ? html`<p>This makes the first account of this Holdfast server, its administrator's. The link works once.</p>`
    : html`<p>
        This makes you an administrator of this Holdfast server. If the e-mail address has an account already, it gets
        this password, and all its sessions end. The link works once.
      </p>`;
  return {
    title: is_first ? "Make your account" : "Make or recover an administrator's account",
    body: html`${text}
      <form method="post">
        ${tokenField(form_token)}${NAME}${emailField("")}${NEW_PASSWORD}<button>Continue</button>
      </form>`,
  };
}

function signInPage(next: string, email: string, refusal: string | null, form_token: string): Page {
  return {
    title: "Sign in",
    ...(refusal === null ? {} : { status: 401, mark: "bad" as const }),
    body: html`${refusal === null ? null : html`<p>${refusal}</p>`}
      <form method="post" action="/sign-in">
        ${tokenField(form_token)}<input type="hidden" name="next" value="${next}" />
        ${emailField(email)}
        <label
          >Password <input name="password" type="password" maxlength="128" autocomplete="current-password" required
        /></label>
        <button>Sign in</button>
      </form>
      <p class="soft">
        No account? A member of a workspace can invite you. Forgot the password? On the server's machine,
        <code>holdfast setup-link</code> prints a link that sets an administrator's.
      </p>`,
  };
}

const invited = ({ workspace_name, role }: InvitationView): Html =>
  html`<p>You are invited to the workspace <b>${workspace_name}</b> as ${role}. The link works once.</p>`;

function joinPage(view: InvitationView, email: string, session: Secret): Page {
  return {
    title: `Join ${view.workspace_name}`,
    body: html`${invited(view)}
      <p>You are signed in as ${email}.</p>
      <form method="post">${tokenField(formToken(session))}<button>Join</button></form>`,
  };
}

function invitationPage(view: InvitationView, token: string, form_token: string): Page {
  return {
    title: `Join ${view.workspace_name}`,
    body: html`${invited(view)}
      <form method="post">
        ${tokenField(form_token)}${NAME}
        <p>E-mail address: <b>${view.email}</b></p>
        ${NEW_PASSWORD}<button>Make an account and join</button>
      </form>
      <p class="soft">
        You have an account? <a href="/sign-in?next=/invitations/${token}">Sign in</a>, and join with it.
      </p>`,
  };
}
