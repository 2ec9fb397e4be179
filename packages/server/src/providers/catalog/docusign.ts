/**
 * DocuSign eSignature. https://developers.docusign.com/platform/auth/authcode (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636, with one authorization server for production and one for demo
 * accounts. The API is at `base_uri`, which the profile lists for each of the user's accounts.
 * Without the scope `extended`, the connection ends 30 days after the first refresh token was
 * issued. Based on public catalogs. No vendor page was consulted.
 */
import { defineProvider } from "../provider.ts";

const userinfo = { method: "GET", url: "https://{auth_host}/oauth/userinfo" } as const;

export const docusign = defineProvider({
  id: "docusign",
  display_name: "DocuSign",
  description: "Envelopes, templates and signatures.",
  vendor: "docusign",
  docs_url: "https://developers.docusign.com/platform/auth/authcode/",
  registration: {
    url: "https://admindemo.docusign.com/apps-and-keys",
    notes: [
      "An app starts in the demo environment. Its integration key works only there until DocuSign promotes it to production.",
    ],
  },
  traps: ["For a user with several DocuSign accounts, the first one in the profile is connected."],
  authorization_url: "https://{auth_host}/oauth/auth",
  token_url: "https://{auth_host}/oauth/token",
  client_auth: "client_secret_basic",
  default_scopes: ["signature"],
  // Each refresh then returns a refresh token that is valid for another 30 days.
  required_scopes: ["extended"],
  common_scopes: [
    { scope: "signature", meaning: "read and send envelopes" },
    { scope: "extended", meaning: "refresh tokens that are renewed on each use" },
  ],
  lifetime: {
    access_s: 28_800,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 2_592_000,
    refresh_absolute_s: null,
  },
  config_fields: [
    {
      name: "auth_host",
      display_name: "Authorization host",
      description: "account.docusign.com, or account-d.docusign.com for demo accounts.",
      placeholder: "account.docusign.com",
      required: false,
      default: "account.docusign.com",
      pattern: "^account(?:-d)?\\.docusign\\.com$",
      under: ["docusign.com"],
      validation_error: "Enter account.docusign.com or account-d.docusign.com.",
    },
  ],
  derived_config: [
    {
      name: "base_uri",
      from: "identity",
      path: "accounts.0.base_uri",
      pattern: "^https://[a-z0-9-]+\\.docusign\\.net$",
      under: ["docusign.net"],
    },
    {
      name: "account_id",
      from: "identity",
      path: "accounts.0.account_id",
      pattern: "^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    },
  ],
  identity: { from: "request", request: userinfo, account: { id: "sub", label: "name", email: "email" } },
  health: userinfo,
  revocation: { kind: "none", note: "Users revoke access under My Preferences > Connected Apps in DocuSign." },
  hosts: [{ name: "api", base_url: "{base_uri}", binary_media_types: ["application/pdf"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developers.docusign.com/platform/auth/authcode/",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime: eight hours and 30 days from public catalogs, and whether a used refresh token stays valid; send one twice",
    "derived_config: that every base_uri is below docusign.net; check profiles of accounts in several regions",
    "pkce: that the parameters are accepted from a client with a secret; send a wrong verifier",
    "revocation: no endpoint found, page name from memory; open the page with a connected account",
  ],
});
