/**
 * Xero. https://developer.xero.com/documentation/guides/oauth2/auth-flow (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636. The organisations that a person has connected are listed by a call, and the first one
 * becomes the account; the API wants its id in a header. A used refresh token works on for 30 minutes. Written from
 * public catalogs and the vendor's own client library: no vendor page was opened.
 */
import { defineProvider } from "../provider.ts";

const connections = { method: "GET", url: "https://api.xero.com/connections" } as const;

export const xero = defineProvider({
  id: "xero",
  display_name: "Xero",
  description: "Accounts, invoices and contacts of an organisation.",
  vendor: "xero",
  docs_url: "https://developer.xero.com/documentation/guides/oauth2/auth-flow/",
  registration: { url: "https://developer.xero.com/app/manage", notes: ["Make an app of the kind web app."] },
  traps: [
    "Calls need the header Xero-tenant-id with the organisation's id, which is in the connection's config.",
    "A person who connects several organisations is connected with the first that is listed.",
    "An app that Xero has not certified takes 25 organisations at most.",
  ],
  authorization_url: "https://login.xero.com/identity/connect/authorize",
  token_url: "https://identity.xero.com/connect/token",
  client_auth: "client_secret_basic",
  default_scopes: ["accounting.settings.read"],
  // The refresh token.
  required_scopes: ["offline_access"],
  common_scopes: [
    { scope: "offline_access", meaning: "gives a refresh token" },
    { scope: "accounting.settings.read", meaning: "read the organisation and its settings" },
    { scope: "accounting.settings", meaning: "change the settings as well" },
    { scope: "accounting.contacts.read", meaning: "read contacts" },
    { scope: "accounting.contacts", meaning: "change contacts as well" },
    { scope: "accounting.attachments.read", meaning: "read attachments" },
    { scope: "openid", meaning: "sign-in with OpenID Connect" },
    { scope: "profile", meaning: "name of the person" },
    { scope: "email", meaning: "e-mail address" },
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
    // It removes the person's organisations from the app.
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
    "lifetime: 30 minutes, 60 days and the 30 minutes of grace from public knowledge; send an old token after 29 and 31",
    "client_auth: one catalog has it in the body; one exchange",
    "pkce: that a web app may send it; send a wrong verifier",
    "identity: that a person without an organisation is an account without a name; connect one",
    "revocation.kills_grant: whether other tokens of the person end as well; connect twice and revoke",
    "common_scopes, traps: names and the number of organisations from memory; one consent with each",
  ],
});
