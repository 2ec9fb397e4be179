/**
 * Xero. https://developer.xero.com/documentation/guides/oauth2/auth-flow (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636. A request lists the organizations that the user connected, and
 * the first one becomes the account. The API expects its id in a header. A used refresh token stays
 * valid for 30 minutes. Based on public catalogs and the vendor's own client library. No vendor
 * page was consulted.
 */
import { defineProvider } from "../provider.ts";

const connections = { method: "GET", url: "https://api.xero.com/connections" } as const;

export const xero = defineProvider({
  id: "xero",
  display_name: "Xero",
  description: "Accounts, invoices and contacts of an organization.",
  vendor: "xero",
  docs_url: "https://developer.xero.com/documentation/guides/oauth2/auth-flow/",
  registration: { url: "https://developer.xero.com/app/manage", notes: ["Create an app of the type web app."] },
  traps: [
    "Calls need the header Xero-tenant-id with the organization's id, which is in the connection's config.",
    "For a user who connects several organizations, the first one in the list is used.",
    "An app that Xero has not certified can connect at most 25 organizations.",
  ],
  authorization_url: "https://login.xero.com/identity/connect/authorize",
  token_url: "https://identity.xero.com/connect/token",
  client_auth: "client_secret_basic",
  default_scopes: ["accounting.settings.read"],
  // Returns a refresh token.
  required_scopes: ["offline_access"],
  common_scopes: [
    { scope: "offline_access", meaning: "returns a refresh token" },
    { scope: "accounting.settings.read", meaning: "read the organization and its settings" },
    { scope: "accounting.settings", meaning: "change the settings as well" },
    { scope: "accounting.contacts.read", meaning: "read contacts" },
    { scope: "accounting.contacts", meaning: "change contacts as well" },
    { scope: "accounting.attachments.read", meaning: "read attachments" },
    { scope: "openid", meaning: "sign-in with OpenID Connect" },
    { scope: "profile", meaning: "name of the user" },
    { scope: "email", meaning: "email address" },
  ],
  lifetime: {
    access_s: 1800,
    refresh: { kind: "rotates", reuse: "grace", grace_s: 1800 },
    refresh_idle_s: 5_184_000,
    refresh_absolute_s: null,
  },
  derived_config: [
    {
      name: "tenant_id",
      from: "identity",
      path: "0.tenantId",
      pattern: "^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    },
  ],
  identity: {
    from: "request",
    request: connections,
    account: { id: "0.tenantId", label: "0.tenantName", email: null },
  },
  health: connections,
  revocation: {
    kind: "rfc7009",
    url: "https://identity.xero.com/connect/revocation",
    token: "refresh_token",
    client_auth: true,
    // Revoking a token removes the user's organizations from the app.
    kills_grant: true,
  },
  hosts: [
    {
      name: "api",
      base_url: "https://api.xero.com/api.xro/2.0",
      request_headers: ["xero-tenant-id", "if-modified-since", "idempotency-key"],
      binary_media_types: ["application/pdf"],
    },
  ],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developer.xero.com/documentation/guides/oauth2/auth-flow/",
    "https://www.npmjs.com/package/xero-node",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime: 30 minutes, 60 days and the 30-minute grace from public knowledge; send a used token after 29 and 31 minutes",
    "client_auth: one catalog sends it in the body; make one exchange",
    "pkce: that a web app can use it; send a wrong verifier",
    "identity: that a user without an organization has an account without a name; connect one",
    "revocation.kills_grant: whether the user's other tokens are revoked as well; connect twice and revoke",
    "common_scopes, traps: names and the number of organizations from memory; complete one consent with each",
  ],
});
