/**
 * TikTok. https://developers.tiktok.com/doc/oauth-user-access-token-management (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §2.2 (`client_key` for `client_id`), §3.3 (commas between scopes), §5.1
 * (`refresh_expires_in`) and §5.2 (errors can be HTTP 200). Departs from RFC 7636 §4.2: the
 * challenge is hexadecimal. A standard one fails, so none is sent, which the vendor allows for web
 * apps. Departs from RFC 7009 in the form of the request. API responses signal success with
 * `error.code: "ok"`.
 */
import { defineProvider } from "../provider.ts";

const API = "https://open.tiktokapis.com/v2";
const yes = { ok_path: "error.code", ok_value: "ok" } as const;

export const tiktok = defineProvider({
  id: "tiktok",
  display_name: "TikTok",
  description: "Profile, videos and publishing for a TikTok account.",
  vendor: "tiktok",
  docs_url: "https://developers.tiktok.com/doc/oauth-user-access-token-management",
  registration: {
    url: "https://developers.tiktok.com/apps/",
    notes: [
      "Add Login Kit for Web. Its redirect URIs must be https, without a query, and cannot be localhost.",
      "The client key is the client id.",
    ],
  },
  traps: [
    "Users can grant fewer scopes than requested.",
    "Until the app is audited, video.publish creates only private posts.",
  ],
  https_redirect_only: true,
  authorization_url: "https://www.tiktok.com/v2/auth/authorize/",
  token_url: "https://open.tiktokapis.com/v2/oauth/token/",
  client_auth: "client_secret_post",
  client_id_param: "client_key",
  scope_separator: ",",
  default_scopes: ["user.info.basic"],
  required_scopes: ["user.info.basic"],
  common_scopes: [
    { scope: "user.info.basic", meaning: "open_id, avatar, display name" },
    { scope: "user.info.profile", meaning: "bio, links, verified flag" },
    { scope: "user.info.stats", meaning: "follower and like counts" },
    { scope: "video.list", meaning: "list the user's videos" },
    { scope: "video.upload", meaning: "upload drafts" },
    { scope: "video.publish", meaning: "publish directly (needs audit)" },
    { scope: "research.data.basic", meaning: "research data (approved)" },
  ],
  pkce: "none",
  lifetime: {
    access_s: 7200,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 15_552_000,
    refresh_absolute_s: null,
  },
  derived_config: [{ name: "open_id", from: "token", path: "open_id", pattern: "^[A-Za-z0-9_-]{10,128}$" }],
  identity: {
    from: "request",
    request: { method: "GET", url: `${API}/user/info/?fields=open_id,union_id,display_name`, ...yes },
    account: { id: "data.user.open_id", label: "data.user.display_name", email: null },
  },
  health: { method: "GET", url: `${API}/user/info/?fields=open_id`, ...yes },
  revocation: {
    kind: "request",
    request: {
      method: "POST",
      url: "https://open.tiktokapis.com/v2/oauth/revoke/",
      auth: "none",
      form: { client_key: "{client_id}", client_secret: "{client_secret}", token: "{access_token}" },
    },
    kills_grant: true,
  },
  hosts: [{ name: "api", base_url: API }],
  errors: {
    refused: ["access_token_invalid"],
    misconfigured: ["invalid_client_key"],
    transient: ["rate_limit_exceeded", "internal_error"],
  },
  deviations: [
    { name: "error_in_ok_response", statuses: { rate_limit_exceeded: 429, internal_error: 500 } },
    { name: "renamed_members", members: { refresh_expires_in: "refresh_token_expires_in" } },
  ],
  sources: [
    "https://developers.tiktok.com/docs/en/oauth-refresh-a-user-access-token",
    "https://developers.tiktok.com/doc/oauth-user-access-token-management",
    "https://developers.tiktok.com/doc/login-kit-web",
  ],
  unverified: [
    "lifetime: newer pages say 2 hours and 180 days, older ones 24 hours and 365 days; check a token response",
    "deviations: which errors come with HTTP 200; send a bad refresh token",
    "errors.refused: names from reports; revoke, then refresh and call",
    "revocation.kills_grant: extent of a revocation; revoke one of two and call both",
    "common_scopes: some names from memory; complete one consent with each",
  ],
});
