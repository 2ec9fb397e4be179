/**
 * X. https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code
 * (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636, and requires PKCE of every client. A refresh token comes only
 * with the scope `offline.access`, and is single use.
 */
import { defineProvider } from "../provider.ts";

const API = "https://api.x.com/2";
const me = { method: "GET", url: `${API}/users/me` } as const;

export const x = defineProvider({
  id: "x",
  display_name: "X",
  description: "Posts, profile and direct messages on X.",
  vendor: "x",
  docs_url: "https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code",
  registration: {
    url: "https://developer.x.com/en/portal/dashboard",
    notes: ["Set up user authentication as a confidential client (Web App) with OAuth 2.0."],
  },
  traps: ["Calls are metered, and the app's owner pays for them. The quota depends on the plan."],
  authorization_url: "https://x.com/i/oauth2/authorize",
  token_url: `${API}/oauth2/token`,
  client_auth: "client_secret_basic",
  default_scopes: ["tweet.read"],
  // users.read and tweet.read: read the account. offline.access: returns a refresh token.
  required_scopes: ["users.read", "tweet.read", "offline.access"],
  common_scopes: [
    { scope: "tweet.read", meaning: "read posts" },
    { scope: "tweet.write", meaning: "write and delete posts" },
    { scope: "users.read", meaning: "read profiles" },
    { scope: "follows.read", meaning: "read who follows whom" },
    { scope: "like.read", meaning: "read likes" },
    { scope: "like.write", meaning: "like posts" },
    { scope: "bookmark.read", meaning: "read bookmarks" },
    { scope: "dm.read", meaning: "read direct messages" },
    { scope: "dm.write", meaning: "send direct messages" },
    { scope: "media.write", meaning: "upload media" },
  ],
  lifetime: {
    access_s: 7200,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: me, account: { id: "data.id", label: "data.username", email: null } },
  health: me,
  revocation: {
    kind: "rfc7009",
    url: "https://api.x.com/2/oauth2/revoke",
    token: "refresh_token",
    client_auth: true,
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: API }],
  // The error for an invalid refresh token. Our requests are well formed, so it cannot mean
  // anything else here.
  errors: { refused: ["invalid_request"], misconfigured: [], transient: [] },
  sources: ["https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code"],
  unverified: [
    "token_url: other catalogs use api.twitter.com, which also serves it; make one exchange",
    "errors.refused: from reports; send a refresh token twice, and a request without one",
    "lifetime, revocation, identity: from memory; get one token, revoke once, call once",
    "common_scopes: names from memory; complete one consent with each",
  ],
});
