/**
 * The page on which a person lets a command line in (RFC 8628 §3.3). Opening it changes nothing and asks the database nothing,
 * even with a code in the address: each try at a code is a POST from a form of ours. The person sees what asks from where, and
 * is warned of whoever talked them into it (§5.4), before the button that agrees.
 */
import type { FastifyRequest } from "fastify";
import type { Secret } from "../../core/secret.ts";
import type { Guesser, PendingLogin } from "../../service/access/device.ts";
import type { HttpServer } from "../fastify.ts";
import { checkForm, formToken } from "../auth.ts";
import { clientNetwork } from "../client-address.ts";
import type { HttpContext } from "../context.ts";
import { html } from "./html.ts";
import { sendPage, type Page } from "./page.ts";
import { shownTime } from "./format.ts";
import { signedIn } from "./signed-in.ts";

const CODE_LENGTH = 64;

export function devicePages(app: HttpServer, context: HttpContext): void {
  const { device, config } = context;

  app.get<{ Querystring: Record<string, unknown> }>("/device", async (request, reply) => {
    const { session } = await approver(context, request);
    return sendPage(reply, config, codePage(textOf(request.query["user_code"]), session));
  });

  app.post<{ Body: Record<string, unknown> | undefined }>("/device", async (request, reply) => {
    const guesser = await approver(context, request);
    const form = request.body ?? {};
    checkForm(context, request, guesser.session, form["form_token"]);
    const user_code = textOf(form["user_code"]);
    const decision = form["decision"];
    if (decision !== "approved" && decision !== "denied")
      return sendPage(reply, config, decisionPage(await device.look(user_code, guesser), user_code, guesser.session));
    return sendPage(reply, config, donePage(decision, await device.decide(user_code, guesser, decision, request.id)));
  });
}

async function approver(context: HttpContext, request: FastifyRequest): Promise<Guesser> {
  const { principal, session } = await signedIn(context, request);
  return { user_id: principal, session, network: clientNetwork(request) };
}

const textOf = (value: unknown): string => (typeof value === "string" ? value.slice(0, CODE_LENGTH) : "");

function codePage(user_code: string, session: Secret): Page {
  const body = html`<p>A command line that asks to be signed in shows a code. Type it here.</p>
    <form method="post" action="/device">
      <input type="hidden" name="form_token" value="${formToken(session)}" />
      <label
        >Code
        <input
          name="user_code"
          value="${user_code}"
          placeholder="XXXX-XXXX"
          maxlength="16"
          autocomplete="off"
          autocapitalize="characters"
          spellcheck="false"
          required
      /></label>
      <button>Continue</button>
    </form>`;
  return { title: "Sign in a command line", body };
}

function decisionPage({ client_name, address, created_at }: PendingLogin, user_code: string, session: Secret): Page {
  const body = html`<p><b>${client_name}</b> at the address <b>${address}</b> asks to act in your name.</p>
    <p class="soft">It asked at ${shownTime(created_at)}.</p>
    <p>
      <b>Did you start this?</b> Agree only if you typed the login command yourself, just now, and it shows the code
      <code>${user_code}</code>. If somebody sent you here or told you the code, they would get into your account: deny.
    </p>
    <form method="post" action="/device">
      <input type="hidden" name="form_token" value="${formToken(session)}" />
      <input type="hidden" name="user_code" value="${user_code}" />
      <button name="decision" value="approved">Yes, sign it in</button>
      <button class="quiet" name="decision" value="denied">No, deny</button>
    </form>`;
  return { title: `Sign in ${client_name}?`, body };
}

function donePage(decision: "approved" | "denied", { client_name }: PendingLogin): Page {
  if (decision === "denied")
    return {
      title: "Denied",
      mark: "good",
      body: html`<p>${client_name} was not signed in. You can close this page.</p>`,
    };
  return {
    title: "Signed in",
    mark: "good",
    body: html`<p>${client_name} is signed in within a few seconds. You can close this page.</p>`,
  };
}
