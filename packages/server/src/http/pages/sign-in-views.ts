/** Views of the setup, sign-in and invitation pages: pure functions from data to pages. */
import type { SetupView } from "../../service/accounts/accounts.ts";
import type { InvitationView } from "../../service/accounts/workspaces.ts";
import { hiddenField, tokenField } from "./form.ts";
import { html, type Html } from "./html.ts";
import type { Page } from "./page.ts";

const NAME = html`<label>Name <input name="name" maxlength="100" autocomplete="name" required /></label>`;
const NEW_PASSWORD = html`<label
  >Password <small>10 characters or more</small>
  <input name="password" type="password" minlength="10" maxlength="128" autocomplete="new-password" required
/></label>`;

function emailField(value: string): Html {
  return html`<label
    >Email address <input name="email" type="email" value="${value}" maxlength="254" autocomplete="username" required
  /></label>`;
}

export function setupPage({ as, is_first }: SetupView, form_token: string): Page {
  if (as !== null)
    return {
      title: "Sign in",
      body: html`<p>This link signs you in as <b>${as.name}</b>, ${as.email}. It works once.</p>
        <form method="post">${tokenField(form_token)}<button>Sign in</button></form>`,
    };
  const text = is_first
    ? html`<p>This creates the admin account, the first account on this Holdfast server. The link works once.</p>`
    : html`<p>
        This makes you an admin of this Holdfast server. If the email address already has an account, its password is
        replaced and all its sessions are signed out. The link works once.
      </p>`;
  return {
    title: is_first ? "Create your account" : "Create or recover an admin account",
    body: html`${text}
      <form method="post">
        ${tokenField(form_token)}${NAME}${emailField("")}${NEW_PASSWORD}<button>Continue</button>
      </form>`,
  };
}

/** @param refusal why the last try failed, or null */
export function signInPage(next: string, email: string, refusal: string | null, form_token: string): Page {
  return {
    title: "Sign in",
    ...(refusal === null ? {} : { status: 401, mark: "bad" as const }),
    body: html`${refusal === null ? null : html`<p>${refusal}</p>`}
      <form method="post" action="/sign-in">
        ${tokenField(form_token)}${hiddenField("next", next)} ${emailField(email)}
        <label
          >Password <input name="password" type="password" maxlength="128" autocomplete="current-password" required
        /></label>
        <button>Sign in</button>
      </form>
      <p class="soft">
        No account? A workspace admin can invite you. Forgot your password? On the server's machine,
        <code>holdfast setup-link</code> prints a link that resets an admin's password.
      </p>`,
  };
}

export const SIGNED_OUT: Page = { title: "Signed out", mark: "good", body: html`<p>You can close this page.</p>` };

/** The invitation, for a user who is signed in. */
export function joinPage(view: InvitationView, email: string, form_token: string): Page {
  return {
    title: `Join ${view.workspace_name}`,
    body: html`${invitationText(view)}
      <p>You are signed in as ${email}.</p>
      <form method="post">${tokenField(form_token)}<button>Join</button></form>`,
  };
}

/** The invitation, for a visitor who is not signed in. */
export function invitationPage(view: InvitationView, token: string, form_token: string): Page {
  return {
    title: `Join ${view.workspace_name}`,
    body: html`${invitationText(view)}
      <form method="post">
        ${tokenField(form_token)}${NAME}
        <p>Email address: <b>${view.email}</b></p>
        ${NEW_PASSWORD}<button>Create an account and join</button>
      </form>
      <p class="soft">
        Already have an account? <a href="/sign-in?next=/invitations/${token}">Sign in</a>, then join with it.
      </p>`,
  };
}

function invitationText({ workspace_name, role }: InvitationView): Html {
  return html`<p>You are invited to the workspace <b>${workspace_name}</b> as ${role}. The link works once.</p>`;
}
