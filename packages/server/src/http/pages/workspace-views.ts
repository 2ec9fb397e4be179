/**
 * How a workspace looks: pure functions from what is known of it to pages. A form that would be refused is not shown; what
 * decides is the route all the same.
 */
import { ROLES, roleReaches, SCOPES, type Role, type Scope } from "../../core/roles.ts";
import type { Secret } from "../../core/secret.ts";
import type { Instant } from "../../core/types.ts";
import type { ApiKeySummary } from "../../service/access/api-keys.ts";
import type { InvitationSummary, Workspaces } from "../../service/accounts/workspaces.ts";
import { html, type Html } from "./html.ts";
import type { Page } from "./page.ts";
import { shownTime } from "./format.ts";

type Member = Awaited<ReturnType<Workspaces["members"]>>[number];

export interface WorkspaceShown {
  readonly workspace: Awaited<ReturnType<Workspaces["get"]>>;
  /** Whose page it is, and what they may. */
  readonly me: string;
  readonly role: Role;
  readonly members: readonly Member[];
  readonly invitations: readonly InvitationSummary[];
  readonly keys: readonly ApiKeySummary[];
  readonly now: Instant;
  readonly form_token: string;
}

interface Choice {
  readonly value: string;
  readonly label: string;
}

/** How long a new API key lives, at the person's choice; null: until it is revoked. */
export const KEY_LIVES: readonly (Choice & { readonly days: number | null })[] = [
  { value: "30d", label: "30 days", days: 30 },
  { value: "90d", label: "90 days", days: 90 },
  { value: "365d", label: "a year", days: 365 },
  { value: "unlimited", label: "until it is revoked", days: null },
];

const ROLE_WORDS: Readonly<Record<Role, string>> = {
  viewer: "viewer: reads",
  editor: "editor: also connects, deploys, makes service tokens",
  admin: "admin: also members, keys, OAuth clients, plan",
  owner: "owner: also deletes the workspace and hands it over",
};

const SCOPE_WORDS: Readonly<Record<Scope, string>> = {
  read: "read: what a viewer may",
  write: "write: what an editor may",
  admin: "admin: what an admin may",
};

export function workspacePage(shown: WorkspaceShown): Page {
  const { workspace, role } = shown;
  const is_admin = roleReaches(role, "admin");
  const body = html`<p class="soft">Plan ${workspace.plan} · you are ${role} · <code>${workspace.id}</code></p>
    ${membersSection(shown)} ${is_admin ? html`${invitationsSection(shown)} ${keysSection(shown)}` : null}
    <p class="end"><a href="/">Back to the apps</a></p>`;
  return { title: workspace.name, body };
}

/** A form of one line in a list. */
function lineForm(action: string, form_token: string, fields: Html, button: string): Html {
  return html`<form method="post" action="${action}">
    <input type="hidden" name="form_token" value="${form_token}" />${fields}<button class="quiet">${button}</button>
  </form>`;
}

const hidden = (name: string, value: string): Html => html`<input type="hidden" name="${name}" value="${value}" />`;

const options = (choices: readonly Choice[], chosen: string): readonly Html[] =>
  choices.map(
    ({ value, label }) => html`<option value="${value}" ${value === chosen ? html`selected` : null}>${label}</option>`,
  );

const givable = (role: Role): readonly Role[] => ROLES.filter((one) => roleReaches(role, one));

const pathOf = ({ workspace }: WorkspaceShown, rest: string): string => `/workspaces/${workspace.id}/${rest}`;

function membersSection(shown: WorkspaceShown): Html {
  return html`<section>
    <h2>Members</h2>
    <ul class="rows">
      ${shown.members.map(
        (member) =>
          html`<li>
            <span class="name"
              >${member.name} ${member.user_id === shown.me ? html`(you)` : null} <small>${member.email}</small></span
            >
            ${memberForms(shown, member)}
          </li>`,
      )}
    </ul>
  </section>`;
}

function memberForms(shown: WorkspaceShown, { user_id, name, role }: Member): Html {
  const { form_token } = shown;
  const remove =
    user_id === shown.me
      ? lineForm(pathOf(shown, "leave"), form_token, html``, "Leave")
      : lineForm(pathOf(shown, "members/remove"), form_token, hidden("user", user_id), "Remove");
  const owners = shown.members.filter((member) => member.role === "owner");
  if (role === "owner" && owners.length === 1) return html`<span class="state plain">${role}</span>`;
  if (!roleReaches(shown.role, "admin") || !roleReaches(shown.role, role))
    return html`<span class="state plain">${role}</span> ${user_id === shown.me ? remove : null}`;
  const roles = givable(shown.role).map((value) => ({ value, label: value }));
  const choice = html`${hidden("user", user_id)}
    <select name="role" aria-label="Role of ${name}">
      ${options(roles, role)}
    </select>`;
  return html`${lineForm(pathOf(shown, "members/role"), form_token, choice, "Change")} ${remove}`;
}

function invitationsSection(shown: WorkspaceShown): Html {
  const { invitations, form_token } = shown;
  const roles = givable(shown.role).map((value) => ({ value, label: ROLE_WORDS[value] }));
  return html`<section>
    <h2>Invitations</h2>
    ${
      invitations.length === 0
        ? html`<p class="soft">None is open.</p>`
        : html`<ul class="rows">
            ${invitations.map(
              ({ id, email, role, expires_at }) =>
                html`<li>
                  <span class="name">${email} <small>as ${role}, until ${shownTime(expires_at)}</small></span>
                  ${lineForm(pathOf(shown, "invitations/revoke"), form_token, hidden("invitation", id), "Revoke")}
                </li>`,
            )}
          </ul>`
    }
    <form method="post" action="${pathOf(shown, "invitations")}">
      ${hidden("form_token", form_token)}
      <label>E-mail address <input name="email" type="email" maxlength="254" autocomplete="off" required /></label>
      <label
        >Role
        <select name="role">
          ${options(roles, "viewer")}
        </select></label
      >
      <button>Make an invitation</button>
    </form>
  </section>`;
}

function keysSection(shown: WorkspaceShown): Html {
  const { form_token, keys, now } = shown;
  const live = keys.filter((key) => stateOf(key, now) === "live");
  const over = keys.filter((key) => stateOf(key, now) !== "live");
  const scopes = SCOPES.map((value) => ({ value, label: SCOPE_WORDS[value] }));
  return html`<section>
    <h2>API keys</h2>
    <p class="soft">For programs of yours, such as CI. A key never may more than who made it.</p>
    ${
      live.length === 0
        ? null
        : html`<ul class="rows">
            ${live.map((key) => keyLine(shown, key, "live"))}
          </ul>`
    }
    ${
      over.length === 0
        ? null
        : html`<details>
            <summary>${over.length} revoked or expired</summary>
            <ul class="rows">
              ${over.map((key) => keyLine(shown, key, stateOf(key, now)))}
            </ul>
          </details>`
    }
    <form method="post" action="${pathOf(shown, "keys")}">
      ${hidden("form_token", form_token)}
      <label>Name <input name="name" maxlength="100" autocomplete="off" required /></label>
      <label
        >Scope
        <select name="scope">
          ${options(scopes, "write")}
        </select></label
      >
      <label
        >Lives
        <select name="life">
          ${options(KEY_LIVES, "90d")}
        </select></label
      >
      <button>Make an API key</button>
    </form>
  </section>`;
}

function keyLine(shown: WorkspaceShown, key: ApiKeySummary, state: "live" | "revoked" | "expired"): Html {
  const maker = shown.members.find(({ user_id }) => user_id === key.user_id)?.name ?? "nobody here";
  const used = key.last_used_at === null ? html`never used` : html`last used ${shownTime(key.last_used_at)}`;
  const end = key.expires_at === null ? html`no end` : html`until ${shownTime(key.expires_at)}`;
  return html`<li>
    <span class="name"
      >${key.name} <small>${key.scope}, made by ${maker}, ${used}, ${end}</small
      ><small><code>${key.id}</code></small></span
    >
    ${
      state === "live"
        ? lineForm(pathOf(shown, "keys/revoke"), shown.form_token, hidden("key", key.id), "Revoke")
        : html`<span class="state">${state}</span>`
    }
  </li>`;
}

function stateOf({ revoked_at, expires_at }: ApiKeySummary, now: Instant): "live" | "revoked" | "expired" {
  if (revoked_at !== null) return "revoked";
  return expires_at !== null && expires_at <= now ? "expired" : "live";
}

export function invitedPage(path: string, email: string, invitation_url: string): Page {
  const body = html`<p>
      Send this link to <b>${email}</b> yourself: Holdfast sends no mail. It is shown this once, works once, and whoever
      opens it joins.
    </p>
    <p class="secret"><code>${invitation_url}</code></p>
    <p><a href="${path}">Back to the workspace</a></p>`;
  return { title: "Invitation made", mark: "good", body };
}

export function madeKeyPage(path: string, name: string, api_key: Secret): Page {
  const body = html`<p>The API key <b>${name}</b>. It is shown this once: copy it now.</p>
    <p class="secret"><code>${api_key.expose()}</code></p>
    <p class="soft">
      Programs send it in the header <code>api_key</code>; the command lines take it from
      <code>HOLDFAST_API_KEY</code> (holdfast) and <code>BASE44_API_KEY</code> (base44).
    </p>
    <p><a href="${path}">Back to the workspace</a></p>`;
  return { title: "API key made", mark: "good", body };
}
