/**
 * Miro. https://developers.miro.com/docs/getting-started-with-oauth (checked 2026-11-23)
 *
 * Follows RFC 6749, but scopes are set on the app (§3.3). The response identifies the user and the
 * team. Revocation is a JSON request with its own member names. It revokes the refresh token
 * together with the access token. Of the vendor's pages, only one on revocation was read.
 */
import { defineProvider } from "../provider.ts";

const token = { method: "GET", url: "https://api.miro.com/v1/oauth-token" } as const;

export const miro = defineProvider({
  id: "miro",
  display_name: "Miro",
  description: "Boards and their contents.",
  vendor: "miro",
  docs_url: "https://developers.miro.com/docs/getting-started-with-oauth",
  registration: {
    url: "https://miro.com/app/settings/user-profile/apps",
    notes: [
      "Select the scopes on the app. A request cannot add others.",
      "Choose expiring tokens when you create the app. The choice cannot be changed.",
    ],
  },
  traps: ["The user picks a team on the consent screen. The token can access only that team's boards."],
  authorization_url: "https://miro.com/oauth/authorize",
  token_url: "https://api.miro.com/v1/oauth/token",
  client_auth: "client_secret_post",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  pkce: "none",
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 5_184_000,
    refresh_absolute_s: null,
  },
  derived_config: [
    { name: "team_id", from: "token", path: "team_id", pattern: "^\\d{5,25}$" },
    { name: "user_id", from: "token", path: "user_id", pattern: "^\\d{5,25}$" },
  ],
  identity: { from: "request", request: token, account: { id: "user.id", label: "user.name", email: null } },
  health: token,
  revocation: {
    kind: "request",
    request: {
      method: "POST",
      url: "https://api.miro.com/v2/oauth/revoke",
      auth: "none",
      body: { accessToken: "{access_token}", clientId: "{client_id}", clientSecret: "{client_secret}" },
    },
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: "https://api.miro.com/v2" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developers.miro.com/v1.0/reference/revoke-token",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime: one hour, 60 days and rotation from public catalogs; send one refresh token twice",
    "revocation: the page read covers version 1, the names for version 2 are from memory; make one call",
    "identity: paths from public knowledge; make one call",
    "pkce: no documentation found; send a wrong verifier",
  ],
});
