/**
 * LinkedIn.
 * https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow
 * (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §2.3.1 (Basic is rejected) and §3.3 (granted scopes with commas). Only
 * apps that LinkedIn approved get refresh tokens. These expire 365 days after the consent, used or
 * not. Without one a connection lasts 60 days. PKCE has a separate endpoint for native apps and
 * must stay off here.
 */
import { defineProvider } from "../provider.ts";

const userinfo = { method: "GET", url: "https://api.linkedin.com/v2/userinfo" } as const;

export const linkedin = defineProvider({
  id: "linkedin",
  display_name: "LinkedIn",
  description: "Member profile, posts and (with partner access) pages and ads.",
  vendor: "linkedin",
  docs_url: "https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow",
  registration: {
    url: "https://www.linkedin.com/developers/apps/new",
    notes: [
      "Scopes appear only after you add the product that includes them to the app.",
      "Add Sign In with LinkedIn using OpenID Connect. Its scopes are needed to read the account.",
    ],
  },
  traps: [
    "Without LinkedIn's approval for refresh tokens, every connection ends after 60 days.",
    "With it, every connection ends 365 days after the consent.",
    "Requesting different scopes than before revokes the tokens of earlier consents.",
    "Calls below /rest need the headers LinkedIn-Version and X-Restli-Protocol-Version.",
  ],
  authorization_url: "https://www.linkedin.com/oauth/v2/authorization",
  token_url: "https://www.linkedin.com/oauth/v2/accessToken",
  client_auth: "client_secret_post",
  default_scopes: ["openid", "profile", "email"],
  required_scopes: ["openid", "profile"],
  common_scopes: [
    { scope: "openid", meaning: "OpenID sign-in" },
    { scope: "profile", meaning: "name and picture" },
    { scope: "email", meaning: "email address" },
    { scope: "w_member_social", meaning: "post as the member" },
    { scope: "r_basicprofile", meaning: "basic profile (partner)" },
    { scope: "r_organization_social", meaning: "read page posts" },
    { scope: "w_organization_social", meaning: "post as a page" },
    { scope: "rw_organization_admin", meaning: "manage pages" },
    { scope: "r_ads", meaning: "read ad accounts" },
    { scope: "rw_ads", meaning: "manage ad accounts" },
    { scope: "r_ads_reporting", meaning: "ad reports" },
    { scope: "r_events", meaning: "events" },
  ],
  pkce: "none",
  lifetime: {
    access_s: 5_184_000,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: 31_536_000,
  },
  identity: { from: "request", request: userinfo, account: { id: "sub", label: "name", email: "email" } },
  health: userinfo,
  revocation: {
    kind: "rfc7009",
    url: "https://www.linkedin.com/oauth/v2/revoke",
    token: "access_token",
    client_auth: true,
    kills_grant: false,
  },
  hosts: [
    { name: "v2", base_url: "https://api.linkedin.com/v2", request_headers: ["x-restli-protocol-version"] },
    {
      name: "rest",
      base_url: "https://api.linkedin.com/rest",
      request_headers: ["linkedin-version", "x-restli-protocol-version", "x-restli-method"],
    },
  ],
  errors: { refused: [], misconfigured: ["invalid_redirect_uri"], transient: [] },
  deviations: [{ name: "assume_bearer" }],
  sources: [
    "https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow",
    "https://learn.microsoft.com/en-us/linkedin/shared/authentication/programmatic-refresh-tokens",
    "https://learn.microsoft.com/en-us/linkedin/shared/authentication/token-introspection",
  ],
  unverified: [
    "revocation: endpoint seen only in public code; revoke and call",
    "errors.refused: an expired refresh token reportedly gets invalid_request, too broad a name to end connections on; let one expire",
    "lifetime.refresh: whether a refresh returns another refresh token; refresh once",
    "identity: paths from memory; make one call",
  ],
});
