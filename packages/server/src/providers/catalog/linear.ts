/**
 * Linear. https://linear.app/developers/oauth-2-0-authentication (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636, with commas between scopes (§3.3). Since 2026-04-01 every app
 * gets refresh tokens, each single use. The API is GraphQL.
 */
import { defineProvider } from "../provider.ts";

const GRAPHQL = "https://api.linear.app/graphql";

export const linear = defineProvider({
  id: "linear",
  display_name: "Linear",
  description: "Issues, projects and cycles.",
  vendor: "linear",
  docs_url: "https://linear.app/developers/oauth-2-0-authentication",
  registration: {
    url: "https://linear.app/settings/api/applications/new",
    notes: ["Every administrator of the workspace that owns the app can see its secret. Use a dedicated workspace."],
  },
  traps: ["GraphQL errors are in a list named errors, some of them with HTTP 200."],
  authorization_url: "https://linear.app/oauth/authorize",
  token_url: "https://api.linear.app/oauth/token",
  client_auth: "client_secret_post",
  scope_separator: ",",
  default_scopes: ["read"],
  common_scopes: [
    { scope: "read", meaning: "read everything the user sees (always present)" },
    { scope: "write", meaning: "write everything the user can write" },
    { scope: "issues:create", meaning: "create issues and attachments" },
    { scope: "comments:create", meaning: "create comments" },
    { scope: "timeSchedule:write", meaning: "manage time schedules" },
    { scope: "customer:read", meaning: "read customers" },
    { scope: "customer:write", meaning: "write customers" },
    { scope: "initiative:read", meaning: "read initiatives" },
    { scope: "initiative:write", meaning: "write initiatives" },
    { scope: "app:assignable", meaning: "app can be assigned issues (actor=app)" },
    { scope: "app:mentionable", meaning: "app can be mentioned (actor=app)" },
    { scope: "admin", meaning: "admin endpoints" },
  ],
  authorization_params: { prompt: "consent" },
  lifetime: {
    access_s: 86_400,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  derived_config: [
    {
      name: "organization_id",
      from: "identity",
      path: "data.organization.id",
      pattern: "^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    },
    {
      name: "organization_url_key",
      from: "identity",
      path: "data.organization.urlKey",
      pattern: "^[A-Za-z0-9-]{1,64}$",
    },
  ],
  identity: {
    from: "request",
    request: {
      method: "POST",
      url: GRAPHQL,
      body: { query: "{ viewer { id name email } organization { id urlKey name } }" },
    },
    account: { id: "data.viewer.id", label: "data.viewer.name", email: "data.viewer.email" },
  },
  health: {
    method: "POST",
    url: GRAPHQL,
    body: { query: "{ viewer { id } }" },
    ok_path: "data.viewer.id",
    ok_value: null,
  },
  revocation: {
    kind: "rfc7009",
    url: "https://api.linear.app/oauth/revoke",
    token: "refresh_token",
    client_auth: true,
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: GRAPHQL }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://linear.app/developers/oauth-2-0-authentication.md",
    "https://linear.app/docs/oauth/authentication",
  ],
  unverified: [
    "lifetime.refresh: a window of about 30 minutes for lost responses, from memory, not confirmed; send one twice",
    "revocation: whether the refresh token can be sent, and whether its access token is then revoked; revoke and call",
    "pkce: other catalogs leave it off; send a wrong verifier",
  ],
});
