/**
 * Notion. https://developers.notion.com/reference/create-a-token (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §4.1.3 and §6 (the token request is JSON) and §3.3 (no scopes: users
 * pick pages on the consent screen). There is no `expires_in`, although refresh tokens are issued
 * and replaced on every use.
 */
import { defineProvider } from "../provider.ts";

const UUID = "^[0-9a-fA-F-]{32,36}$";
const version = { "notion-version": "2022-06-28" };

export const notion = defineProvider({
  id: "notion",
  display_name: "Notion",
  description: "Pages and databases shared with the connection.",
  vendor: "notion",
  docs_url: "https://developers.notion.com/guides/get-started/authorization",
  registration: {
    url: "https://www.notion.so/developers/connections",
    notes: ["Register a public connection. Internal connections have one fixed token and no consent."],
  },
  traps: ["Users choose pages on the consent screen. Pages created later are not shared automatically."],
  authorization_url: "https://api.notion.com/v1/oauth/authorize",
  token_url: "https://api.notion.com/v1/oauth/token",
  client_auth: "client_secret_basic",
  token_body: "json",
  token_headers: version,
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  authorization_params: { owner: "user" },
  pkce: "none",
  lifetime: {
    access_s: null,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  derived_config: [
    { name: "workspace_id", from: "token", path: "workspace_id", pattern: UUID },
    { name: "bot_id", from: "token", path: "bot_id", pattern: UUID },
  ],
  identity: {
    from: "token",
    account: { id: "owner.user.id", label: "workspace_name", email: "owner.user.person.email" },
  },
  health: { method: "GET", url: "https://api.notion.com/v1/users/me", headers: version },
  revocation: {
    kind: "request",
    request: {
      method: "POST",
      url: "https://api.notion.com/v1/oauth/revoke",
      auth: "client_secret_basic",
      headers: version,
      body: { token: "{access_token}" },
    },
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: "https://api.notion.com/v1", request_headers: ["notion-version"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developers.notion.com/reference/create-a-token",
    "https://developers.notion.com/reference/refresh-a-token",
  ],
  unverified: [
    "lifetime.access_s: no lifetime is published; watch when a token is first rejected",
    "lifetime.refresh: whether a used refresh token stays valid for a while; send one twice",
    "token_headers: whether the token endpoint needs the version; omit it once",
    "health: status for a revoked token; revoke one and call",
  ],
});
