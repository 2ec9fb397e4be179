/**
 * QuickBooks Online.
 * https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0
 * (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7009. The redirect identifies the company. The token response does not.
 * Departs in §5.1: the refresh token's lifetime is in `x_refresh_token_expires_in`.
 */
import { defineProvider } from "../provider.ts";

const userinfo = {
  method: "GET",
  url: "https://accounts.platform.intuit.com/v1/openid_connect/userinfo",
} as const;
const DOCS = "https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0";

export const quickbooks = defineProvider({
  id: "quickbooks",
  display_name: "QuickBooks",
  description: "Accounting data of one company.",
  vendor: "intuit",
  docs_url: DOCS,
  registration: {
    url: "https://developer.intuit.com/app/developer/myapps",
    notes: ["Development and production have separate keys. Production redirect URIs must be https."],
  },
  traps: [
    "Each consent connects one company. Its id is realm_id in connection_config.",
    "Development keys work only with sandbox companies, at sandbox-quickbooks.api.intuit.com.",
  ],
  authorization_url: "https://appcenter.intuit.com/connect/oauth2",
  token_url: "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
  client_auth: "client_secret_basic",
  default_scopes: ["com.intuit.quickbooks.accounting"],
  // The account is read from userinfo.
  required_scopes: ["openid", "email"],
  common_scopes: [
    { scope: "com.intuit.quickbooks.accounting", meaning: "accounting" },
    { scope: "com.intuit.quickbooks.payment", meaning: "payments" },
    { scope: "profile", meaning: "name of the user" },
  ],
  pkce: "none",
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 8_726_400,
    refresh_absolute_s: null,
  },
  derived_config: [{ name: "realm_id", from: "callback", path: "realmId", pattern: "^\\d{10,19}$" }],
  identity: { from: "request", request: userinfo, account: { id: "sub", label: "email", email: "email" } },
  health: userinfo,
  revocation: {
    kind: "rfc7009",
    url: "https://developer.api.intuit.com/v2/oauth2/tokens/revoke",
    token: "refresh_token",
    client_auth: true,
    kills_grant: true,
  },
  hosts: [
    { name: "api", base_url: "https://quickbooks.api.intuit.com", binary_media_types: ["application/pdf"] },
    { name: "sandbox", base_url: "https://sandbox-quickbooks.api.intuit.com", binary_media_types: ["application/pdf"] },
  ],
  errors: { refused: [], misconfigured: [], transient: [] },
  deviations: [{ name: "renamed_members", members: { x_refresh_token_expires_in: "refresh_token_expires_in" } }],
  sources: [DOCS],
  unverified: [
    "lifetime: the value of a refresh token reportedly changes about daily; refresh twice, a day apart",
    "revocation: extent of a revocation from memory; revoke one of two companies and call both",
    "identity: the host for development keys may differ; make one call with each",
    "common_scopes: names from memory; complete one consent with each",
  ],
});
