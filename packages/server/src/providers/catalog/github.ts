/**
 * GitHub, OAuth Apps and user tokens of GitHub Apps.
 * https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 * (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §5.2 (errors are HTTP 200), §5.1 (a form-encoded response without the
 * Accept header) and §3.3 (granted scopes with commas). OAuth Apps get tokens that do not expire.
 * GitHub Apps get single-use refresh tokens, and a refresh revokes the previous access token at
 * once.
 */
import { defineProvider } from "../provider.ts";

const getUser = {
  method: "GET",
  url: "https://api.github.com/user",
  headers: { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28" },
} as const;

export const github = defineProvider({
  id: "github",
  display_name: "GitHub",
  description: "Repositories, issues, pull requests and organizations.",
  vendor: "github",
  docs_url: "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps",
  registration: {
    url: "https://github.com/settings/applications/new",
    notes: [
      "An OAuth App has one callback URL. For tokens that expire, register a GitHub App with expiring user tokens.",
    ],
  },
  traps: [
    "Organizations can block the app until an owner approves it.",
    "A user can have at most ten tokens per app and scope. Older ones are revoked without notice.",
  ],
  authorization_url: "https://github.com/login/oauth/authorize",
  token_url: "https://github.com/login/oauth/access_token",
  client_auth: "client_secret_post",
  default_scopes: ["read:user", "user:email"],
  common_scopes: [
    { scope: "repo", meaning: "full access to private and public repositories" },
    { scope: "public_repo", meaning: "write to public repositories" },
    { scope: "read:user", meaning: "read the profile" },
    { scope: "user:email", meaning: "read email addresses" },
    { scope: "read:org", meaning: "read organization membership" },
    { scope: "workflow", meaning: "change workflow files" },
    { scope: "gist", meaning: "write gists" },
    { scope: "notifications", meaning: "read notifications" },
    { scope: "project", meaning: "read and write projects" },
  ],
  issuer: { value: "https://github.com/login/oauth", required: false },
  lifetime: {
    access_s: null,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 15_811_200,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: getUser, account: { id: "id", label: "login", email: "email" } },
  health: getUser,
  revocation: {
    kind: "request",
    request: {
      method: "DELETE",
      url: "https://api.github.com/applications/{client_id}/token",
      auth: "client_secret_basic",
      headers: getUser.headers,
      body: { access_token: "{access_token}" },
    },
    kills_grant: false,
  },
  hosts: [
    {
      name: "api",
      base_url: "https://api.github.com",
      request_headers: ["x-github-api-version", "if-none-match", "if-modified-since"],
      binary_media_types: ["application/octet-stream", "application/zip"],
    },
  ],
  errors: {
    refused: ["bad_refresh_token", "bad_verification_code"],
    misconfigured: ["incorrect_client_credentials"],
    transient: [],
  },
  deviations: [{ name: "form_token_answer" }, { name: "error_in_ok_response" }],
  sources: [
    "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps",
    "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens",
    "https://github.blog/changelog/2025-07-14-pkce-support-for-oauth-and-github-app-authentication",
  ],
  unverified: [
    "issuer: seen in callbacks since 2026, not in the vendor's pages; record one callback",
    "registration: callback URLs below the registered one are accepted; try one",
    "identity: email may be null for private addresses; connect an account that hides it",
  ],
});
