/** Views of the connect flow: pure functions from data to pages. */
import { CodedError, ERRORS, type ErrorCode } from "../../core/errors.ts";
import type { ConnectionConfig } from "../../core/types.ts";
import type { Provider } from "../../providers/provider.ts";
import type { ConnectFlow, FlowSubject } from "../../service/consent/connect.ts";
import type { AccountChange } from "../../service/consent/consent.ts";
import type { ConfirmView } from "../../service/consent/start.ts";
import { tokenField } from "./form.ts";
import { html, type Html } from "./html.ts";
import type { Page } from "./page.ts";

/** Prefix of the form fields that hold connection settings. */
export const CONFIG_PREFIX = "config.";

type Flow = Awaited<ReturnType<ConnectFlow["flow"]>>;

/** The first page of a reconnect link, before there is a flow. */
export function beginPage(provider: Provider, app_name: string, form_token: string): Page {
  const body = html`<p>
      This connects an account at ${provider.display_name} to the app <b>${app_name}</b>. The next page shows what the
      app will be able to do.
    </p>
    <form method="post">${tokenField(form_token)}<button>Continue</button></form>`;
  return { title: `Connect ${provider.display_name}`, body };
}

export function confirmPage(app_name: string, view: ConfirmView, form_token: string): Page {
  const { provider, config, redirect_uri, connected } = view;
  const body = html`<p>
      The app <b>${app_name}</b> needs an account at ${provider.display_name}. Every user of the app will share it.
    </p>
    ${
      connected === null
        ? null
        : html`<p>
            Currently connected: <b>${connected.label ?? "an unnamed account"}</b>. The new account replaces it.
          </p>`
    }
    ${scopeList(view)}
    <details>
      <summary>Does the provider report an incorrect redirect URI?</summary>
      <p>Register exactly this URI for the OAuth client: <code>${redirect_uri}</code></p>
    </details>
    <form method="post">
      ${tokenField(form_token)} ${configFields(provider, config)}
      <button>Connect ${provider.display_name}</button>
    </form>`;
  return { title: `Connect ${provider.display_name}`, body };
}

function scopeList({ provider, scopes }: ConfirmView): Html {
  if (scopes.length === 0) return html`<p>This service has no scopes. You choose the permissions on the next page.</p>`;
  return html`<p>The app will be able to:</p>
    <ul class="rows">
      ${scopes.map((scope) => html`<li>${permission(provider, scope)}</li>`)}
    </ul>`;
}

/**
 * Describes a scope in words where the catalog has them, next to the scope itself, which the
 * provider shows.
 */
function permission(provider: Provider, scope: string): Html {
  const known = provider.common_scopes.find((common) => common.scope === scope);
  if (known === undefined) return html`<code>${scope}</code>`;
  return html`<span
    >${known.meaning}<small><code>${scope}</code></small></span
  >`;
}

function configFields(provider: Provider, config: ConnectionConfig): readonly Html[] {
  return provider.config_fields.map(
    ({ name, display_name, description, placeholder, required }) =>
      html`<label
        >${display_name}${required ? null : " (optional)"}
        <small>${description}</small>
        <input
          name="${CONFIG_PREFIX}${name}"
          value="${config[name] ?? ""}"
          placeholder="${placeholder}"
          maxlength="1024"
          autocomplete="off"
          ${required ? html` required` : null}
      /></label>`,
  );
}

/** Leads to the provider. A redirect would violate `form-action 'self'`, see page.ts. */
export function goPage({ display_name }: Provider, authorization_url: string): Page {
  const body = html`<p>If nothing happens, <a href="${authorization_url}">continue to ${display_name}</a>.</p>`;
  return { title: `Taking you to ${display_name}`, body, next: authorization_url };
}

/**
 * Asks which account to use: the builder may be signed in to another account at the provider
 * without noticing.
 */
export function accountChangedPage(
  flow_id: string,
  { app, provider }: FlowSubject,
  change: AccountChange,
  form_token: string,
): Page {
  const connected = change.connected ?? "the other account";
  const consented = change.consented ?? "this account";
  const body = html`<p>
      The app <b>${app.name}</b> uses <b>${connected}</b> at ${provider.display_name}. You have just consented as
      <b>${consented}</b>. Nothing has changed yet.
    </p>
    <form method="post" action="/connect/${flow_id}/account">
      ${tokenField(form_token)}
      <button name="decision" value="replace">Use ${consented} from now on</button>
      <button name="decision" value="keep" class="quiet">Keep ${connected}</button>
    </form>
    <p class="soft">Code account_changed</p>`;
  return { title: "This is a different account", mark: "bad", status: ERRORS.account_changed.status, body };
}

/** @throws CodedError `flow_not_found` when the flow has no outcome yet */
export function resultPage(flow: Flow, { app, provider }: FlowSubject, reconnect_url: string): Page {
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
  if (flow.outcome === null) throw new CodedError("flow_not_found", { message: "This consent is not complete yet." });
  const text = isErrorCode(flow.outcome) ? ERRORS[flow.outcome].message : ERRORS.internal.message;
  return {
    title: `${provider.display_name} was not connected`,
    mark: "bad",
    body: html`<p>${text}</p>
      <p><a class="button" href="${reconnect_url}">Start again</a></p>
      <p class="soft">Code ${flow.outcome}</p>`,
  };
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}
