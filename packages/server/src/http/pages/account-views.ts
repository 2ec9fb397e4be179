/** Views of the start page and the account page: pure functions from data to pages. */
import type { ConnectionSummary } from "../../service/connections/types.ts";
import type { Accounts, SessionUser } from "../../service/accounts/accounts.ts";
import type { CliSessions } from "../../service/access/cli-sessions.ts";
import { hiddenField, tokenField } from "./form.ts";
import { formatBrowser, formatTime } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { Page } from "./page.ts";

type BrowserSession = Awaited<ReturnType<Accounts["listSessions"]>>[number];
type CommandLineSession = Awaited<ReturnType<CliSessions["list"]>>[number];

/** A service of an app: connected, or ready to connect. */
export interface ServiceRow {
  readonly name: string;
  readonly connect_url: string;
  readonly connection: ConnectionSummary | null;
}

export interface AppSection {
  readonly id: string;
  readonly name: string;
  /** Empty when no OAuth client is set for any service. */
  readonly services: readonly ServiceRow[];
}

export interface WorkspaceSection {
  readonly id: string;
  readonly name: string;
  readonly apps: readonly AppSection[];
}

export function startPage(user: SessionUser, workspaces: readonly WorkspaceSection[], form_token: string): Page {
  const none = html`<p>You are not a member of any workspace. A workspace admin can invite you.</p>`;
  const body = html`${workspaces.length === 0 ? none : workspaces.map(workspaceSection)}
    <form class="end" method="post" action="/sign-out">
      ${tokenField(form_token)}
      <p class="soft">Signed in as ${user.email}. <a href="/account">Account</a></p>
      <button class="quiet">Sign out</button>
    </form>`;
  return { title: "Apps", body };
}

function workspaceSection({ id, name, apps }: WorkspaceSection): Html {
  const none = html`<p>No apps yet. To create one, run this on the server's machine:</p>
    <p class="command"><code>holdfast apps create NAME</code></p>`;
  return html`<h2>${name}</h2>
    <p><a href="/workspaces/${id}">Members, invitations and API keys</a></p>
    ${apps.length === 0 ? none : apps.map(appSection)}`;
}

function appSection({ id, name, services }: AppSection): Html {
  return html`<section>
    <h2>${name}</h2>
    <p class="soft"><code>${id}</code></p>
    ${
      services.length === 0
        ? NO_SERVICES
        : html`<ul class="rows">
            ${services.map(serviceRow)}
          </ul>`
    }
  </section>`;
}

const NO_SERVICES = html`<p>
    No service can be connected yet, because no OAuth client is set. To set one, run this on the server's machine:
  </p>
  <p class="command"><code>holdfast clients set TYPE --client-id ID --client-secret-stdin</code></p>`;

function serviceRow({ name, connect_url, connection }: ServiceRow): Html {
  if (connection === null)
    return html`<li>
      <span>${name}</span>
      <a href="${connect_url}">Connect</a>
    </li>`;
  const { status, account, reason } = connection;
  return html`<li>
    <span>${name} <small>${account.label ?? account.email ?? account.id}</small></span>
    <span class="state ${status}" title="${reason ?? ""}">${status}</span>
    <a href="${connect_url}">Reconnect</a>
  </li>`;
}

export function accountPage(
  user: SessionUser,
  browsers: readonly BrowserSession[],
  command_lines: readonly CommandLineSession[],
  form_token: string,
): Page {
  const body = html`<p>${user.name}, ${user.email}</p>
    <section>
      <h2>Sessions</h2>
      <ul class="rows">
        ${browsers.map((session) => browserRow(session, session.id === user.session_id, form_token))}
        ${command_lines.map((session) => commandLineRow(session, form_token))}
      </ul>
      <form method="post" action="/account/sign-out-everywhere">
        ${tokenField(form_token)}<button class="quiet">Sign out everywhere</button>
      </form>
    </section>
    ${passwordSection(form_token)}
    <p class="end"><a href="/">Back to apps</a></p>`;
  return { title: "Account", body };
}

function browserRow(session: BrowserSession, is_current: boolean, form_token: string): Html {
  const { id, user_agent, ip_address, created_at, updated_at } = session;
  return html`<li>
    <span
      >${formatBrowser(user_agent)}
      <small>${ip_address ?? ""} since ${formatTime(created_at)}, last used ${formatTime(updated_at)}</small></span
    >
    ${is_current ? html`<span class="state active">this session</span>` : endSessionForm(id, form_token)}
  </li>`;
}

function commandLineRow({ id, address, created_at, last_used_at }: CommandLineSession, form_token: string): Html {
  return html`<li>
    <span
      >Command line
      <small>${address} since ${formatTime(created_at)}, last used ${formatTime(last_used_at)}</small></span
    >
    ${endSessionForm(id, form_token)}
  </li>`;
}

function endSessionForm(id: string, form_token: string): Html {
  return html`<form method="post" action="/account/sessions/end">
    ${tokenField(form_token)}${hiddenField("session", id)}<button class="quiet">Sign out</button>
  </form>`;
}

function passwordSection(form_token: string): Html {
  return html`<section>
    <h2>Password</h2>
    <form method="post" action="/account/password">
      ${tokenField(form_token)}
      <label
        >Current password
        <input name="current" type="password" maxlength="128" autocomplete="current-password" required
      /></label>
      <label
        >New password <small>10 characters or more</small>
        <input name="password" type="password" minlength="10" maxlength="128" autocomplete="new-password" required
      /></label>
      <button>Change password</button>
    </form>
  </section>`;
}

export const PASSWORD_CHANGED: Page = {
  title: "Password changed",
  mark: "good",
  body: html`<p>All your other sessions are signed out. <a href="/account">Back to your account</a></p>`,
};

export const SIGNED_OUT_EVERYWHERE: Page = {
  title: "Signed out everywhere",
  mark: "good",
  body: html`<p>All your sessions are signed out, including this one. <a href="/sign-in">Sign in</a></p>`,
};
