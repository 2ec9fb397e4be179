/**
 * Wrike. https://developers.wrike.com/docs/oauth-20-authorization (checked 2026-11-23)
 *
 * Follows RFC 6749, with commas between scopes (§3.3). The response contains the API host of the
 * account's data center, which every call must use. A refresh response repeats it. A refresh token
 * is single use.
 */
import { defineProvider } from "../provider.ts";

const contact = { method: "GET", url: "https://{host}/api/v4/contacts?me=true" } as const;

export const wrike = defineProvider({
  id: "wrike",
  display_name: "Wrike",
  description: "Folders, projects and tasks.",
  vendor: "wrike",
  docs_url: "https://developers.wrike.com/docs/oauth-20-authorization",
  registration: {
    url: "https://www.wrike.com/appconsole.htm?#/api",
    notes: ["Add the redirect URI to the app. http://localhost is accepted."],
  },
  traps: ["Send calls to the host in connection_config, not to www.wrike.com."],
  authorization_url: "https://login.wrike.com/oauth2/authorize/v4",
  token_url: "https://login.wrike.com/oauth2/token",
  client_auth: "client_secret_post",
  scope_separator: ",",
  default_scopes: ["Default"],
  common_scopes: [
    { scope: "Default", meaning: "standard access of the app" },
    { scope: "wsReadOnly", meaning: "read workspace data" },
    { scope: "wsReadWrite", meaning: "read and write workspace data" },
    { scope: "amReadOnlyUser", meaning: "read users" },
    { scope: "amReadWriteUser", meaning: "manage users" },
    { scope: "amReadOnlyGroup", meaning: "read groups" },
    { scope: "amReadWriteGroup", meaning: "manage groups" },
    { scope: "amReadOnlyInvitation", meaning: "read invitations" },
    { scope: "amReadWriteInvitation", meaning: "manage invitations" },
    { scope: "amReadOnlyWorkflow", meaning: "read workflows" },
    { scope: "amReadWriteWorkflow", meaning: "manage workflows" },
  ],
  pkce: "none",
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  derived_config: [
    {
      name: "host",
      from: "token",
      path: "host",
      pattern: "^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+wrike\\.com$",
      under: ["wrike.com"],
    },
  ],
  identity: {
    from: "request",
    request: contact,
    account: { id: "data.0.id", label: "data.0.firstName", email: "data.0.profiles.0.email" },
  },
  health: contact,
  revocation: { kind: "none", note: "Users revoke access under Profile > Apps & Integrations in Wrike." },
  hosts: [{ name: "api", base_url: "https://{host}/api/v4", binary_media_types: ["*/*"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://developers.wrike.com/docs/oauth-20-authorization.md", "https://developers.wrike.com/overview"],
  unverified: [
    "lifetime.refresh: whether a used refresh token stays valid for a while; send one twice",
    "identity: paths from memory; make one call",
    "revocation: no endpoint found, page name from memory; open the page with a connected account",
  ],
});
