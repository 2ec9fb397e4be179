/**
 * The page on which a user signs in a command line (RFC 8628 §3.3).
 *
 * Opening it changes nothing and checks no code, even one in the address: each try at a code is a
 * POST from one of our forms. Above its buttons the page shows the client and its address, and
 * warns of a request that another user started (§5.4).
 */
import type { FastifyRequest } from "fastify";
import type { Secret } from "../../core/secret.ts";
import type { Approver, PendingLogin } from "../../service/access/device.ts";
import { checkForm, formToken } from "../auth.ts";
import { clientNetwork } from "../client-address.ts";
import type { HttpContext } from "../context.ts";
import type { HttpServer } from "../fastify.ts";
import { hiddenField, textOf, tokenField, type FormRoute } from "./form.ts";
import { formatTime } from "./format.ts";
import { html } from "./html.ts";
import { sendPage, type Page } from "./page.ts";
import { signedIn } from "./signed-in.ts";

const MAX_CODE_LENGTH = 64;

export function devicePages(server: HttpServer, context: HttpContext): void {
  const { device, config } = context;

  server.get<{ Querystring: Record<string, unknown> }>("/device", async (request, reply) => {
    const { session } = await approver(context, request);
    return await sendPage(reply, config, codePage(textOf(request.query["user_code"], MAX_CODE_LENGTH), session));
  });

  server.post<FormRoute>("/device", async (request, reply) => {
    const user = await approver(context, request);
    const form = request.body ?? {};
    checkForm(context, request, user.session, form["form_token"]);
    const user_code = textOf(form["user_code"], MAX_CODE_LENGTH);
    const decision = form["decision"];
    if (decision !== "approved" && decision !== "denied")
      return await sendPage(reply, config, decisionPage(await device.view(user_code, user), user_code, user.session));
    return await sendPage(
      reply,
      config,
      donePage(decision, await device.decide(user_code, user, decision, request.id)),
    );
  });
}

async function approver(context: HttpContext, request: FastifyRequest): Promise<Approver> {
  const { principal, session } = await signedIn(context, request);
  return { user_id: principal, session, network: clientNetwork(request) };
}

function codePage(user_code: string, session: Secret): Page {
  const body = html`<p>Enter the code that the command line shows.</p>
    <form method="post" action="/device">
      ${tokenField(formToken(session))}
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
  return { title: "Sign in to the command line", body };
}

function decisionPage({ client_name, address, created_at }: PendingLogin, user_code: string, session: Secret): Page {
  const body = html`<p>The <b>${client_name}</b> at the address <b>${address}</b> asks to act on your behalf.</p>
    <p class="soft">Requested at ${formatTime(created_at)}.</p>
    <p>
      <b>Did you start this?</b> Agree only if you just ran the login command yourself and it shows the code
      <code>${user_code}</code>. If someone else sent you here or gave you the code, deny the request. Approving it
      would give them access to your account.
    </p>
    <form method="post" action="/device">
      ${tokenField(formToken(session))}${hiddenField("user_code", user_code)}
      <button name="decision" value="approved">Yes, sign in</button>
      <button class="quiet" name="decision" value="denied">No, deny</button>
    </form>`;
  return { title: `Sign in to the ${client_name}?`, body };
}

function donePage(decision: "approved" | "denied", { client_name }: PendingLogin): Page {
  if (decision === "denied")
    return {
      title: "Request denied",
      mark: "good",
      body: html`<p>The ${client_name} was not signed in. You can close this page.</p>`,
    };
  return {
    title: "Signed in",
    mark: "good",
    body: html`<p>The ${client_name} will be signed in within a few seconds. You can close this page.</p>`,
  };
}
