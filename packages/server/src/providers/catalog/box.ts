/**
 * Box. https://developer.box.com/guides/authentication/oauth2 (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7009. A code is valid for about 30 seconds. A refresh token is single use.
 * The response does not list scopes.
 */
import { defineProvider } from "../provider.ts";

export const box = defineProvider({
  id: "box",
  display_name: "Box",
  description: "Files and folders in Box.",
  vendor: "box",
  docs_url: "https://developer.box.com/guides/authentication/oauth2/",
  registration: {
    url: "https://app.box.com/developers/console",
    notes: [
      "Create a Custom App with user authentication (OAuth 2.0).",
      "Select the scopes in the app's configuration. A request can only narrow them.",
    ],
  },
  traps: ["In a company, an administrator may have to approve the app first."],
  authorization_url: "https://account.box.com/api/oauth2/authorize",
  token_url: "https://api.box.com/oauth2/token",
  client_auth: "client_secret_post",
  default_scopes: ["root_readwrite"],
  common_scopes: [
    { scope: "root_readonly", meaning: "read all files and folders" },
    { scope: "root_readwrite", meaning: "read and write all files and folders" },
    { scope: "manage_webhook", meaning: "manage webhooks" },
    { scope: "manage_managed_users", meaning: "manage the enterprise's users" },
    { scope: "manage_groups", meaning: "manage groups" },
    { scope: "manage_enterprise_properties", meaning: "manage enterprise properties and events" },
    { scope: "sign_requests.readwrite", meaning: "Box Sign requests" },
    { scope: "ai.readwrite", meaning: "Box AI calls" },
  ],
  // Not documented. The vendor ignores the parameters.
  pkce: "none",
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 5_184_000,
    refresh_absolute_s: null,
  },
  identity: {
    from: "request",
    request: { method: "GET", url: "https://api.box.com/2.0/users/me" },
    account: { id: "id", label: "name", email: "login" },
  },
  health: { method: "GET", url: "https://api.box.com/2.0/users/me?fields=id" },
  revocation: {
    kind: "rfc7009",
    url: "https://api.box.com/oauth2/revoke",
    token: "refresh_token",
    client_auth: true,
    kills_grant: false,
  },
  hosts: [
    { name: "api", base_url: "https://api.box.com/2.0", request_headers: ["if-match"], binary_media_types: ["*/*"] },
    { name: "upload", base_url: "https://upload.box.com/api/2.0" },
  ],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developer.box.com/guides/authentication/oauth2/",
    "https://developer.box.com/guides/authentication/tokens/refresh",
    "https://developer.box.com/guides/api-calls/permissions-and-errors/expiration/",
  ],
  unverified: [
    "lifetime.refresh: whether a used refresh token stays valid for a while; send one twice",
    "pkce: that the parameters are ignored; send a wrong verifier",
    "identity: paths from memory; make one call",
  ],
});
