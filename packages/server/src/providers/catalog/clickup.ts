/**
 * ClickUp. https://developer.clickup.com/docs/authentication (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §3.3 (no scopes: users pick workspaces on the consent screen) and §5.1
 * (neither `expires_in` nor a refresh token). Tokens currently do not expire. After a 401 the user
 * must consent again.
 */
import { defineProvider } from "../provider.ts";

const user = { method: "GET", url: "https://api.clickup.com/api/v2/user" } as const;

export const clickup = defineProvider({
  id: "clickup",
  display_name: "ClickUp",
  description: "Tasks, lists, docs and time tracking.",
  vendor: "clickup",
  docs_url: "https://developer.clickup.com/docs/authentication",
  registration: {
    url: "https://app.clickup.com/settings/apps",
    notes: [
      "Only owners and administrators of a workspace can create the app. List the host of the redirect URI on it.",
    ],
  },
  traps: ["A token has the user's rights in the selected workspaces. Scopes cannot narrow it."],
  authorization_url: "https://app.clickup.com/api",
  token_url: "https://api.clickup.com/api/v2/oauth/token",
  client_auth: "client_secret_post",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  pkce: "none",
  lifetime: { access_s: null, refresh: { kind: "none" }, refresh_idle_s: null, refresh_absolute_s: null },
  identity: {
    from: "request",
    request: user,
    account: { id: "user.id", label: "user.username", email: "user.email" },
  },
  health: user,
  revocation: { kind: "none", note: "Users revoke access under Settings > Apps in ClickUp." },
  hosts: [
    { name: "v2", base_url: "https://api.clickup.com/api/v2" },
    { name: "v3", base_url: "https://api.clickup.com/api/v3" },
  ],
  errors: { refused: [], misconfigured: [], transient: [] },
  deviations: [{ name: "assume_bearer" }],
  sources: [
    "https://developer.clickup.com/docs/authentication.md",
    "https://help.clickup.com/hc/en-us/articles/6303426241687-Use-the-ClickUp-API",
  ],
  unverified: [
    "deviations: whether the response has token_type; make one exchange",
    "registration: how redirect URIs are compared; register one host and try another path",
    "health: status and error for an expired token; remove the app and call",
  ],
});
