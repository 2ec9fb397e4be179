/**
 * Asana. https://developers.asana.com/docs/oauth (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636. The refresh token stays as it is, and the token answer names the person beside the
 * tokens. Written from public catalogs: no vendor page was opened.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://app.asana.com/api/1.0/users/me" } as const;

export const asana = defineProvider({
  id: "asana",
  display_name: "Asana",
  description: "Tasks, projects and portfolios.",
  vendor: "asana",
  docs_url: "https://developers.asana.com/docs/oauth",
  registration: {
    url: "https://app.asana.com/0/my-apps",
    notes: ["Choose full permissions for the scope default; an app with single permissions asks for those instead."],
  },
  traps: ["Without the scope default, the account is read only when users:read is among the scopes."],
  authorization_url: "https://app.asana.com/-/oauth_authorize",
  token_url: "https://app.asana.com/-/oauth_token",
  client_auth: "client_secret_post",
  default_scopes: ["default"],
  common_scopes: [
    { scope: "default", meaning: "everything the person may do (full permissions)" },
    { scope: "users:read", meaning: "read people" },
    { scope: "tasks:read", meaning: "read tasks" },
    { scope: "tasks:write", meaning: "create and change tasks" },
    { scope: "projects:read", meaning: "read projects" },
    { scope: "projects:write", meaning: "create and change projects" },
  ],
  lifetime: { access_s: 3600, refresh: { kind: "stays" }, refresh_idle_s: null, refresh_absolute_s: null },
  derived_config: [{ name: "user_gid", from: "token", path: "data.gid", pattern: "^\\d{5,25}$" }],
  identity: { from: "request", request: me, account: { id: "data.gid", label: "data.name", email: "data.email" } },
  health: me,
  revocation: {
    kind: "rfc7009",
    url: "https://app.asana.com/-/oauth_revoke",
    token: "refresh_token",
    client_auth: true,
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: "https://app.asana.com/api/1.0", request_headers: ["asana-enable"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://developers.asana.com/docs/oauth", "https://www.npmjs.com/package/@nangohq/providers"],
  unverified: [
    "lifetime: one hour, and a refresh token without end, from public catalogs; one exchange and two refreshes",
    "revocation: whether it ends the access tokens as well; revoke and call",
    "identity, derived_config: paths from public knowledge; one exchange and one call",
    "common_scopes: names from public knowledge; one consent with each",
  ],
});
