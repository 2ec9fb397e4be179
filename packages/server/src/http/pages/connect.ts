/** The pages of the connect flow: confirm, go, result, and the page that errors link to. GET changes nothing. */
import { ApiError, ERRORS, type ErrorCode } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { AppId, FlowId } from "../../core/types.ts";
import type { ConnectFlow, FlowSubject } from "../../service/consent/connect.ts";
import type { AccountChange } from "../../service/consent/consent.ts";
import type { ConfirmView } from "../../service/consent/start.ts";
import type { HttpServer } from "../fastify.ts";
import { checkForm, formToken } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { readCookie, setCookie } from "../cookies.ts";
import { html, type Html } from "./html.ts";
import { sendPage, type Page } from "./page.ts";
import { mayConnect, signedIn } from "./signed-in.ts";

/** Prefix of the form fields that hold connection settings. */
const CONFIG_PREFIX = "config.";

type Flow = Awaited<ReturnType<ConnectFlow["flow"]>>;

export function connectPages(app: HttpServer, context: HttpContext): void {
  const { connect, config, urls, limits } = { ...context, limits: context.config.limits };
  type FlowParams = { Params: { flow: FlowId } };
  type Form = { Body: Record<string, unknown> | undefined };

  app.get<FlowParams>("/connect/:flow", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const flow = await connect.flow(request.params.flow, principal);
    const shown = await mayConnect(context, principal, flow.app_id);
    if (flow.outcome !== null || flow.taken_at !== null) return reply.redirect(urls.result(flow.id), 303);
    return sendPage(reply, config, confirmPage(shown.name, await connect.confirm(flow, shown), formToken(session)));
  });

  app.post<FlowParams & Form>("/connect/:flow", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const form = request.body ?? {};
    checkForm(context, request, session, form["form_token"]);
    // One flow cookie per browser, kept across flows. Otherwise a consent in a second tab would break the first.
    const browser = readCookie(request, config, "flow") ?? new Secret(randomToken());
    const flow = await connect.flow(request.params.flow, principal);
    const shown = await mayConnect(context, principal, flow.app_id);
    await connect.start(flow, shown, browser, configOf(form));
    setCookie(reply, config, "flow", browser, limits.session_absolute_ms / 1000);
    return reply.redirect(urls.go(request.params.flow), 303);
  });

  app.get<FlowParams>("/connect/:flow/go", async (request, reply) => {
    const { principal } = await signedIn(context, request);
    const flow = await connect.flow(request.params.flow, principal);
    await mayConnect(context, principal, flow.app_id);
    const next = await connect.authorizationUrl(flow, readCookie(request, config, "flow"));
    const provider = context.catalog.require(flow.integration_type);
    const body = html`<p>If nothing happens, <a href="${next}">go on to ${provider.display_name}</a>.</p>`;
    return sendPage(reply, config, { title: `Taking you to ${provider.display_name}`, body, next });
  });

  app.get<FlowParams>("/connect/:flow/result", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const flow = await connect.flow(request.params.flow, principal);
    const subject = await connect.subject(flow);
    const change = await context.consents.waiting(flow);
    if (change === null) return sendPage(reply, config, resultPage(flow, subject, urls.reconnect));
    if (flow.expires_at <= context.clock.now()) throw new ApiError("flow_expired");
    if (request.headers.accept?.includes("text/html") !== true) throw new ApiError("account_changed");
    return sendPage(reply, config, otherAccountPage(flow.id, subject, change, formToken(session)));
  });

  app.post<FlowParams & Form>("/connect/:flow/account", async (request, reply) => {
    const { principal, session } = await signedIn(context, request);
    const form = request.body ?? {};
    checkForm(context, request, session, form["form_token"]);
    const flow = await connect.flow(request.params.flow, principal);
    await mayConnect(context, principal, flow.app_id);
    await context.consents.decide(flow.id, principal, form["decision"] === "replace" ? "replace" : "keep");
    return reply.redirect(urls.result(flow.id), 303);
  });

  app.get<{ Params: { app: AppId; integration_type: string } }>(
    "/apps/:app/connect/:integration_type",
    async (request, reply) => {
      const { principal, session } = await signedIn(context, request);
      const { name } = await mayConnect(context, principal, request.params.app);
      const provider = context.catalog.require(request.params.integration_type);
      const body = html`<p>
          This connects an account of ${provider.display_name} to the app <b>${name}</b>. You will see what the app can
          do before you agree.
        </p>
        <form method="post">
          <input type="hidden" name="form_token" value="${formToken(session)}" />
          <button>Continue</button>
        </form>`;
      return sendPage(reply, config, { title: `Connect ${provider.display_name}`, body });
    },
  );

  app.post<{ Params: { app: AppId; integration_type: string } } & Form>(
    "/apps/:app/connect/:integration_type",
    async (request, reply) => {
      const { principal, session } = await signedIn(context, request);
      checkForm(context, request, session, request.body?.["form_token"]);
      const { app: app_id, integration_type } = request.params;
      await mayConnect(context, principal, app_id);
      const initiated = await connect.reconnect({ app_id, integration_type, initiator: principal });
      return reply.redirect(initiated.redirect_url ?? urls.public_url, 303);
    },
  );
}

function configOf(form: Readonly<Record<string, unknown>>): Record<string, string> {
  const values = Object.entries(form).filter(
    (entry): entry is [string, string] => entry[0].startsWith(CONFIG_PREFIX) && typeof entry[1] === "string",
  );
  return Object.fromEntries(values.map(([name, value]) => [name.slice(CONFIG_PREFIX.length), value.trim()]));
}

function confirmPage(
  app_name: string,
  { provider, scopes, config, redirect_uri, connected }: ConfirmView,
  token: string,
): Page {
  const fields = provider.config_fields.map(
    (field) =>
      html`<label
        >${field.display_name}${field.required ? null : " (optional)"}
        <small>${field.description}</small>
        <input
          name="${CONFIG_PREFIX}${field.name}"
          value="${config[field.name] ?? ""}"
          placeholder="${field.placeholder}"
          maxlength="1024"
          autocomplete="off"
          ${field.required ? html` required` : null}
      /></label>`,
  );
  const body = html`<p>
      The app <b>${app_name}</b> needs an account of ${provider.display_name}. Every user of the app will share it.
    </p>
    ${
      connected === null
        ? null
        : html`<p>
            Connected now: <b>${connected.label ?? "an account without a name"}</b>. This consent replaces it.
          </p>`
    }
    ${
      scopes.length === 0
        ? html`<p>This service has no scopes. You choose the permissions on the next page.</p>`
        : html`<p>The app will be able to:</p>
            <ul class="rows">
              ${scopes.map((scope) => html`<li>${permission(provider, scope)}</li>`)}
            </ul>`
    }
    <details>
      <summary>Does the provider report a wrong redirect URI?</summary>
      <p>Register exactly this one for the OAuth client: <code>${redirect_uri}</code></p>
    </details>
    <form method="post">
      <input type="hidden" name="form_token" value="${token}" />
      ${fields}
      <button>Connect ${provider.display_name}</button>
    </form>`;
  return { title: `Connect ${provider.display_name}`, body };
}

/** Describes a scope in words where the catalog has them, beside the scope itself, which the provider shows. */
function permission(provider: ConfirmView["provider"], scope: string): Html {
  const known = provider.common_scopes.find((common) => common.scope === scope);
  if (known === undefined) return html`<code>${scope}</code>`;
  return html`<span
    >${known.meaning}<small><code>${scope}</code></small></span
  >`;
}

/** Asks which account to use: the builder may be signed in to another account at the provider without noticing. */
function otherAccountPage(flow_id: FlowId, { app, provider }: FlowSubject, change: AccountChange, token: string): Page {
  const connected = change.connected ?? "another account";
  const consented = change.consented ?? "this account";
  const body = html`<p>
      The app <b>${app.name}</b> uses <b>${connected}</b> at ${provider.display_name}. You have just consented as
      <b>${consented}</b>. Nothing has changed yet.
    </p>
    <form method="post" action="/connect/${flow_id}/account">
      <input type="hidden" name="form_token" value="${token}" />
      <button name="decision" value="replace">Use ${consented} from now on</button>
      <button name="decision" value="keep" class="quiet">Keep ${connected}</button>
    </form>
    <p class="soft">Code account_changed</p>`;
  return { title: "This is another account", mark: "bad", status: ERRORS.account_changed.status, body };
}

function resultPage(
  flow: Flow,
  { app, provider }: FlowSubject,
  reconnect: (app_id: string, integration_type: string) => string,
): Page {
  if (flow.outcome === "connected") {
    const back =
      flow.return_to === null
        ? html`<p>You can close this page, or go to <a href="/">all apps</a>.</p>`
        : html`<p><a href="${flow.return_to}">Continue</a></p>`;
    return {
      title: `${provider.display_name} is connected`,
      mark: "good",
      body: html`<p>The app <b>${app.name}</b> can now use the account.</p>
        ${back}`,
    };
  }
  if (flow.outcome === null) throw new ApiError("flow_not_found", { message: "This consent is not complete yet." });
  const text = isErrorCode(flow.outcome) ? ERRORS[flow.outcome].message : ERRORS.internal.message;
  const again = html`<p><a class="button" href="${reconnect(app.id, provider.id)}">Start again</a></p>`;
  return {
    title: `${provider.display_name} was not connected`,
    mark: "bad",
    body: html`<p>${text}</p>
      ${again}
      <p class="soft">Code ${flow.outcome}</p>`,
  };
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}
