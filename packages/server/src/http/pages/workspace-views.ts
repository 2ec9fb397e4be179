/**
 * Views of a workspace: pure functions from data to pages. They hide forms that the user's role
 * does not allow. The routes decide, and check each role again.
 */
import { ROLES, roleReaches, SCOPES, type Role, type Scope } from "../../core/roles.ts";
import type { Secret } from "../../core/secret.ts";
import type { Instant } from "../../core/types.ts";
import type { ApiKeySummary } from "../../service/access/api-keys.ts";
import type { InvitationSummary, Workspaces } from "../../service/accounts/workspaces.ts";
import { hiddenField, tokenField } from "./form.ts";
import { formatTime } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { Page } from "./page.ts";

type Member = Awaited<ReturnType<Workspaces["members"]>>[number];

export interface WorkspaceView {
  readonly workspace: Awaited<ReturnType<Workspaces["get"]>>;
  /** The user who looks at the page. */
  readonly user_id: string;
  /** The user's role in this workspace. */
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

/** How long a new API key can be valid. Null: until it is revoked. */
export const KEY_LIFETIMES: readonly (Choice & { readonly days: number | null })[] = [
  { value: "30d", label: "in 30 days", days: 30 },
  { value: "90d", label: "in 90 days", days: 90 },
  { value: "365d", label: "in a year", days: 365 },
  { value: "unlimited", label: "never", days: null },
];

const ROLE_WORDS: Readonly<Record<Role, string>> = {
  viewer: "viewer: can read",
  editor: "editor: can also connect, deploy and create service tokens",
  admin: "admin: can also manage members, keys, OAuth clients and the plan",
  owner: "owner: can also transfer and delete the workspace",
};

const SCOPE_WORDS: Readonly<Record<Scope, string>> = {
  read: "read: what a viewer can do",
  write: "write: what an editor can do",
  admin: "admin: what an admin can do",
};

export function workspacePage(view: WorkspaceView): Page {
  const { workspace, role } = view;
  const is_admin = roleReaches(role, "admin");
  const body = html`<p class="soft">Plan: ${workspace.plan} · Your role: ${role} · <code>${workspace.id}</code></p>
    ${membersSection(view)} ${is_admin ? html`${invitationsSection(view)} ${keysSection(view)}` : null}
    <p class="end"><a href="/">Back to apps</a></p>`;
  return { title: workspace.name, body };
}

/** A form of one line in a list. */
function lineForm(action: string, form_token: string, fields: Html, button: string): Html {
  return html`<form method="post" action="${action}">
    ${tokenField(form_token)}${fields}<button class="quiet">${button}</button>
  </form>`;
}

const options = (choices: readonly Choice[], chosen: string): readonly Html[] =>
  choices.map(
    ({ value, label }) => html`<option value="${value}" ${value === chosen ? html`selected` : null}>${label}</option>`,
  );

const assignableRoles = (role: Role): readonly Role[] => ROLES.filter((one) => roleReaches(role, one));

const pathOf = ({ workspace }: WorkspaceView, rest: string): string => `/workspaces/${workspace.id}/${rest}`;

function membersSection(view: WorkspaceView): Html {
  return html`<section>
    <h2>Members</h2>
    <ul class="rows">
      ${view.members.map(
        (member) =>
          html`<li>
            <span class="name"
              >${member.name} ${member.user_id === view.user_id ? html`(you)` : null}
              <small>${member.email}</small></span
            >
            ${memberForms(view, member)}
          </li>`,
      )}
    </ul>
  </section>`;
}

function memberForms(view: WorkspaceView, { user_id, name, role }: Member): Html {
  const { form_token } = view;
  const remove =
    user_id === view.user_id
      ? lineForm(pathOf(view, "leave"), form_token, html``, "Leave")
      : lineForm(pathOf(view, "members/remove"), form_token, hiddenField("user", user_id), "Remove");
  const owners = view.members.filter((member) => member.role === "owner");
  if (role === "owner" && owners.length === 1) return html`<span class="state plain">${role}</span>`;
  if (!roleReaches(view.role, "admin") || !roleReaches(view.role, role))
    return html`<span class="state plain">${role}</span> ${user_id === view.user_id ? remove : null}`;
  const roles = assignableRoles(view.role).map((value) => ({ value, label: value }));
  const choice = html`${hiddenField("user", user_id)}
    <select name="role" aria-label="Role of ${name}">
      ${options(roles, role)}
    </select>`;
  return html`${lineForm(pathOf(view, "members/role"), form_token, choice, "Change")} ${remove}`;
}

function invitationsSection(view: WorkspaceView): Html {
  const { invitations, form_token } = view;
  const roles = assignableRoles(view.role).map((value) => ({ value, label: ROLE_WORDS[value] }));
  return html`<section>
    <h2>Invitations</h2>
    ${
      invitations.length === 0
        ? html`<p class="soft">No pending invitations.</p>`
        : html`<ul class="rows">
            ${invitations.map(
              ({ id, email, role, expires_at }) =>
                html`<li>
                  <span class="name">${email} <small>as ${role}, expires ${formatTime(expires_at)}</small></span>
                  ${lineForm(pathOf(view, "invitations/revoke"), form_token, hiddenField("invitation", id), "Revoke")}
                </li>`,
            )}
          </ul>`
    }
    <form method="post" action="${pathOf(view, "invitations")}">
      ${tokenField(form_token)}
      <label>Email address <input name="email" type="email" maxlength="254" autocomplete="off" required /></label>
      <label
        >Role
        <select name="role">
          ${options(roles, "viewer")}
        </select></label
      >
      <button>Create invitation</button>
    </form>
  </section>`;
}

function keysSection(view: WorkspaceView): Html {
  const { form_token, keys, now } = view;
  const live = keys.filter((key) => stateOf(key, now) === "live");
  const ended = keys.filter((key) => stateOf(key, now) !== "live");
  const scopes = SCOPES.map((value) => ({ value, label: SCOPE_WORDS[value] }));
  return html`<section>
    <h2>API keys</h2>
    <p class="soft">For your own programs, such as CI. A key can never do more than the person who created it.</p>
    ${
      live.length === 0
        ? null
        : html`<ul class="rows">
            ${live.map((key) => keyLine(view, key, "live"))}
          </ul>`
    }
    ${
      ended.length === 0
        ? null
        : html`<details>
            <summary>${ended.length} revoked or expired</summary>
            <ul class="rows">
              ${ended.map((key) => keyLine(view, key, stateOf(key, now)))}
            </ul>
          </details>`
    }
    <form method="post" action="${pathOf(view, "keys")}">
      ${tokenField(form_token)}
      <label>Name <input name="name" maxlength="100" autocomplete="off" required /></label>
      <label
        >Scope
        <select name="scope">
          ${options(scopes, "write")}
        </select></label
      >
      <label
        >Expires
        <select name="life">
          ${options(KEY_LIFETIMES, "90d")}
        </select></label
      >
      <button>Create API key</button>
    </form>
  </section>`;
}

function keyLine(view: WorkspaceView, key: ApiKeySummary, state: "live" | "revoked" | "expired"): Html {
  const creator = view.members.find(({ user_id }) => user_id === key.user_id)?.name ?? "a former member";
  const used = key.last_used_at === null ? html`never used` : html`last used ${formatTime(key.last_used_at)}`;
  const expiry = key.expires_at === null ? html`never expires` : html`expires ${formatTime(key.expires_at)}`;
  return html`<li>
    <span class="name"
      >${key.name} <small>${key.scope}, created by ${creator}, ${used}, ${expiry}</small
      ><small><code>${key.id}</code></small></span
    >
    ${
      state === "live"
        ? lineForm(pathOf(view, "keys/revoke"), view.form_token, hiddenField("key", key.id), "Revoke")
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
      Send this link to <b>${email}</b> yourself: Holdfast does not send email. The link is shown only now and works
      once. Anyone who opens it can join.
    </p>
    <p class="secret"><code>${invitation_url}</code></p>
    <p><a href="${path}">Back to the workspace</a></p>`;
  return { title: "Invitation created", mark: "good", body };
}

export function createdKeyPage(path: string, name: string, api_key: Secret): Page {
  const body = html`<p>This is the API key <b>${name}</b>. It is shown only now, so copy it.</p>
    <p class="secret"><code>${api_key.expose()}</code></p>
    <p class="soft">
      Programs send it in the header <code>api_key</code>. The command lines read it from
      <code>HOLDFAST_API_KEY</code> (holdfast) and <code>BASE44_API_KEY</code> (base44).
    </p>
    <p><a href="${path}">Back to the workspace</a></p>`;
  return { title: "API key created", mark: "good", body };
}
