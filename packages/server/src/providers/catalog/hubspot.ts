/**
 * HubSpot.
 * https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens
 * (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7662, at endpoints with a date in the path. The older v1 ends on
 * 2027-02-16. Departs in §5.1 (granted scopes are a list in `scopes`) and §5.2 (some errors appear
 * only in `status`). The refresh token stays the same.
 */
import { defineProvider } from "../provider.ts";

const OAUTH = "https://api.hubapi.com/oauth/2026-03";
const DIGITS = "^\\d{1,20}$";

export const hubspot = defineProvider({
  id: "hubspot",
  display_name: "HubSpot",
  description: "Contacts, companies, deals and marketing data.",
  vendor: "hubspot",
  docs_url: "https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens",
  registration: {
    url: "https://developers.hubspot.com/get-started",
    notes: [
      "The app's scopes and the requested scopes must match. Mark required scopes as required on the app.",
      "Plain http redirect URIs are accepted for localhost only.",
    ],
  },
  traps: ["Only an administrator of the account, or a user with app marketplace permissions, can install the app."],
  authorization_url: "https://app.hubspot.com/oauth/authorize",
  token_url: `${OAUTH}/token`,
  client_auth: "client_secret_post",
  default_scopes: ["crm.objects.contacts.read"],
  required_scopes: ["oauth"],
  common_scopes: [
    { scope: "oauth", meaning: "basic scope every app needs" },
    { scope: "crm.objects.contacts.read", meaning: "read contacts" },
    { scope: "crm.objects.contacts.write", meaning: "write contacts" },
    { scope: "crm.objects.companies.read", meaning: "read companies" },
    { scope: "crm.objects.companies.write", meaning: "write companies" },
    { scope: "crm.objects.deals.read", meaning: "read deals" },
    { scope: "crm.objects.deals.write", meaning: "write deals" },
    { scope: "crm.objects.owners.read", meaning: "read owners" },
    { scope: "crm.lists.read", meaning: "read lists" },
    { scope: "tickets", meaning: "read and write tickets" },
    { scope: "files", meaning: "file manager" },
    { scope: "forms", meaning: "forms" },
    { scope: "content", meaning: "site pages and blog" },
    { scope: "automation", meaning: "workflows" },
  ],
  lifetime: { access_s: 1800, refresh: { kind: "stays" }, refresh_idle_s: null, refresh_absolute_s: null },
  derived_config: [
    { name: "hub_id", from: "token", path: "hub_id", pattern: DIGITS },
    { name: "hub_domain", from: "identity", path: "hub_domain", pattern: "^[A-Za-z0-9.-]{1,253}$" },
  ],
  identity: {
    from: "request",
    request: {
      method: "POST",
      url: `${OAUTH}/token/introspect`,
      auth: "none",
      form: {
        client_id: "{client_id}",
        client_secret: "{client_secret}",
        token: "{access_token}",
        token_type_hint: "access_token",
      },
    },
    account: { id: "hub_id", label: "hub_domain", email: "user" },
  },
  health: { method: "GET", url: "https://api.hubapi.com/account-info/v3/details" },
  revocation: {
    kind: "rfc7009",
    url: `${OAUTH}/token/revoke`,
    token: "refresh_token",
    client_auth: true,
    kills_grant: true,
  },
  hosts: [{ name: "api", base_url: "https://api.hubapi.com" }],
  errors: { refused: ["BAD_REFRESH_TOKEN", "BAD_AUTH_CODE"], misconfigured: ["BAD_CLIENT_ID"], transient: [] },
  deviations: [
    { name: "renamed_members", members: { scopes: "scope" } },
    { name: "error_name", path: "status" },
  ],
  sources: [
    "https://developers.hubspot.com/changelog/v1-oauth-api-deprecation",
    "https://developers.hubspot.com/docs/api-reference/2026-03/authentication/oauth-tokens/refresh-oauth-token",
    "https://developers.hubspot.com/docs/api-reference/latest/authentication/oauth-tokens/revoke-token.md",
    "https://developers.hubspot.com/docs/api-reference/2026-03/authentication/oauth-tokens/token-introspect",
  ],
  unverified: [
    "lifetime.refresh: whether a refresh ever returns a new refresh token, which would be kept; refresh once",
    "revocation.kills_grant: older reports say portals lost other connections; revoke one of two and call both",
    "errors: names in status from older pages; send a bad code and a bad refresh token",
    "health: path from memory; make one call with the scope oauth alone",
  ],
});
