/**
 * Asana. https://developers.asana.com/docs/oauth (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636. The refresh token stays the same, and the token response
 * includes the user. Based on public catalogs. No vendor page was consulted.
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
    notes: ["Choose full permissions for the scope default. An app with specific permissions requests those instead."],
  },
  traps: ["Without the scope default, the account can be read only with the scope users:read."],
  authorization_url: "https://app.asana.com/-/oauth_authorize",
  token_url: "https://app.asana.com/-/oauth_token",
  client_auth: "client_secret_post",
  default_scopes: ["default"],
  common_scopes: [
    { scope: "default", meaning: "everything the user can do (full permissions)" },
    { scope: "users:read", meaning: "read users" },
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
    "lifetime: one hour, and a refresh token that never expires, from public catalogs; make one exchange and two refreshes",
    "revocation: whether access tokens are revoked as well; revoke and call",
    "identity, derived_config: paths from public knowledge; make one exchange and one call",
    "common_scopes: names from public knowledge; complete one consent with each",
  ],
});
