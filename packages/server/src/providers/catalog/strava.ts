/**
 * Strava. https://developers.strava.com/docs/authentication (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §3.3 (commas between scopes, and only the redirect lists the granted
 * ones) and §5.2 (errors are a list that identifies the resource at fault). A refresh can return
 * another refresh token, and the old one is then invalid. Based on public catalogs. No vendor page
 * was consulted.
 */
import { defineProvider } from "../provider.ts";

const athlete = { method: "GET", url: "https://www.strava.com/api/v3/athlete" } as const;

export const strava = defineProvider({
  id: "strava",
  display_name: "Strava",
  description: "Activities and routes of an athlete.",
  vendor: "strava",
  docs_url: "https://developers.strava.com/docs/authentication/",
  registration: {
    url: "https://www.strava.com/settings/api",
    notes: ["Enter the host of the redirect URI as the authorization callback domain. localhost is always accepted."],
  },
  traps: [
    "Users can deselect scopes, and the token response does not show it. All requested scopes count as granted.",
    "A refresh more than an hour before the access token expires returns the same token.",
    "Until Strava has reviewed a new app, only one athlete, its owner, can connect.",
  ],
  authorization_url: "https://www.strava.com/oauth/authorize",
  token_url: "https://www.strava.com/api/v3/oauth/token",
  client_auth: "client_secret_post",
  scope_separator: ",",
  default_scopes: ["read"],
  common_scopes: [
    { scope: "read", meaning: "public profile, segments and routes" },
    { scope: "read_all", meaning: "private routes and segments as well" },
    { scope: "profile:read_all", meaning: "the whole profile" },
    { scope: "profile:write", meaning: "change weight and zones" },
    { scope: "activity:read", meaning: "activities visible to others" },
    { scope: "activity:read_all", meaning: "all activities" },
    { scope: "activity:write", meaning: "upload and change activities" },
  ],
  authorization_params: { approval_prompt: "auto" },
  pkce: "none",
  lifetime: {
    access_s: 21_600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  derived_config: [{ name: "athlete_id", from: "token", path: "athlete.id", pattern: "^\\d{1,20}$" }],
  identity: { from: "request", request: athlete, account: { id: "id", label: "firstname", email: null } },
  health: athlete,
  revocation: {
    kind: "request",
    request: {
      method: "POST",
      url: "https://www.strava.com/oauth/deauthorize",
      auth: "none",
      form: { access_token: "{access_token}" },
    },
    kills_grant: true,
  },
  hosts: [{ name: "api", base_url: "https://www.strava.com/api/v3", binary_media_types: ["application/gpx+xml"] }],
  errors: { refused: ["RefreshToken", "AuthorizationCode"], misconfigured: ["Application"], transient: [] },
  deviations: [{ name: "error_name", path: "errors.0.resource" }],
  sources: [
    "https://developers.strava.com/docs/authentication/",
    "https://www.npmjs.com/package/@nangohq/providers",
    "https://www.npmjs.com/package/arctic",
  ],
  unverified: [
    "lifetime.refresh: when a new refresh token is returned, and whether the old one stays valid; send one twice",
    "errors, deviations: names from reports; refresh with a wrong secret, then with a wrong token",
    "revocation: that the token goes in the form, and that all tokens of the athlete are revoked; connect twice and revoke",
    "identity, traps: from public knowledge; make one call, and refresh a fresh token once",
  ],
});
