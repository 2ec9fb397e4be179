/**
 * Dropbox. https://developers.dropbox.com/oauth-guide (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636. A refresh token comes only with `token_access_type=offline`. A refresh
 * response has no refresh token, so the old one stays. API calls are POST requests, and one without
 * arguments has the body `null`. Revocation is such a call. It takes the access token and revokes
 * the refresh token with it.
 */
import { defineProvider } from "../provider.ts";

export const dropbox = defineProvider({
  id: "dropbox",
  display_name: "Dropbox",
  description: "Files and folders in Dropbox.",
  vendor: "dropbox",
  docs_url: "https://developers.dropbox.com/oauth-guide",
  registration: {
    url: "https://www.dropbox.com/developers/apps",
    notes: [
      "Select the scopes under Permissions first. A consent given earlier yields a token without them.",
      "Plain http redirect URIs are accepted for localhost only.",
    ],
  },
  traps: [
    "An app in development status accepts at most 500 users, and you must apply to connect anyone except its owner.",
    "An app with app-folder access sees only its own folder, regardless of its scopes.",
  ],
  authorization_url: "https://www.dropbox.com/oauth2/authorize",
  token_url: "https://api.dropboxapi.com/oauth2/token",
  client_auth: "client_secret_basic",
  default_scopes: ["files.metadata.read", "files.content.read"],
  // The account is read from users/get_current_account.
  required_scopes: ["account_info.read"],
  common_scopes: [
    { scope: "account_info.read", meaning: "account profile" },
    { scope: "files.metadata.read", meaning: "list files and folders" },
    { scope: "files.metadata.write", meaning: "change file metadata" },
    { scope: "files.content.read", meaning: "download files" },
    { scope: "files.content.write", meaning: "upload, move, delete files" },
    { scope: "sharing.read", meaning: "read shared links and members" },
    { scope: "sharing.write", meaning: "manage sharing" },
    { scope: "file_requests.read", meaning: "read file requests" },
    { scope: "file_requests.write", meaning: "manage file requests" },
    { scope: "contacts.read", meaning: "read contacts" },
  ],
  authorization_params: { token_access_type: "offline" },
  lifetime: { access_s: 14_400, refresh: { kind: "stays" }, refresh_idle_s: null, refresh_absolute_s: null },
  derived_config: [
    { name: "account_id", from: "token", path: "account_id", pattern: "^dbid:[A-Za-z0-9_-]+$" },
    { name: "team_id", from: "token", path: "team_id", pattern: "^dbtid:[A-Za-z0-9_-]+$" },
  ],
  identity: {
    from: "request",
    request: { method: "POST", url: "https://api.dropboxapi.com/2/users/get_current_account", body: null },
    account: { id: "account_id", label: "name.display_name", email: "email" },
  },
  health: {
    method: "POST",
    url: "https://api.dropboxapi.com/2/check/user",
    body: { query: "ping" },
    ok_path: "result",
    ok_value: "ping",
  },
  revocation: {
    kind: "request",
    request: { method: "POST", url: "https://api.dropboxapi.com/2/auth/token/revoke", body: null },
    kills_grant: false,
  },
  hosts: [
    { name: "api", base_url: "https://api.dropboxapi.com/2", request_headers: ["dropbox-api-path-root"] },
    {
      name: "content",
      base_url: "https://content.dropboxapi.com/2",
      request_headers: ["dropbox-api-arg", "dropbox-api-path-root", "range"],
      binary_media_types: ["*/*"],
    },
  ],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://dropbox.tech/developers/using-oauth-2-0-with-offline-access",
    "https://developers.dropbox.com/oauth-guide",
  ],
  unverified: [
    "identity, health: paths and bodies from memory; make one call each",
    "common_scopes: names from memory; complete one consent with each",
    "traps: number of users in development status from memory; check the app's page",
  ],
});
