/**
 * Todoist. https://developer.todoist.com/api/v1 (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §3.3 (commas between scopes), §5.1 (neither `expires_in` nor a refresh
 * token) and §5.2 (error names). Revocation is RFC 7009 with a JSON body. Based on public catalogs
 * and the vendor's own client library.
 */
import { defineProvider } from "../provider.ts";

const user = { method: "GET", url: "https://api.todoist.com/api/v1/user" } as const;

export const todoist = defineProvider({
  id: "todoist",
  display_name: "Todoist",
  description: "Tasks, projects and labels.",
  vendor: "todoist",
  docs_url: "https://developer.todoist.com/api/v1/",
  registration: {
    url: "https://developer.todoist.com/appconsole.html",
    notes: ["Enter the redirect URI as the OAuth redirect URL. Each app has one."],
  },
  traps: [],
  authorization_url: "https://todoist.com/oauth/authorize",
  token_url: "https://todoist.com/oauth/access_token",
  client_auth: "client_secret_post",
  scope_separator: ",",
  default_scopes: ["data:read"],
  common_scopes: [
    { scope: "data:read", meaning: "read tasks, projects, labels and filters" },
    { scope: "data:read_write", meaning: "read and change tasks, projects, labels and filters" },
    { scope: "data:delete", meaning: "delete tasks, projects, labels and filters" },
    { scope: "task:add", meaning: "add tasks only" },
    { scope: "project:delete", meaning: "delete projects" },
  ],
  pkce: "none",
  lifetime: { access_s: null, refresh: { kind: "none" }, refresh_idle_s: null, refresh_absolute_s: null },
  identity: { from: "request", request: user, account: { id: "id", label: "full_name", email: "email" } },
  health: user,
  revocation: {
    kind: "request",
    request: {
      method: "POST",
      url: "https://api.todoist.com/api/v1/revoke",
      auth: "client_secret_basic",
      body: { token: "{access_token}", token_type_hint: "access_token" },
    },
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: "https://api.todoist.com/api/v1" }],
  errors: {
    refused: ["bad_authorization_code"],
    misconfigured: ["incorrect_application_credentials"],
    transient: [],
  },
  sources: [
    "https://developer.todoist.com/api/v1/",
    "https://doist.github.io/todoist-sdk-typescript/api/type-aliases/RevokeTokenRequestArgs",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime: no documentation of a token expiry found; watch when one is first rejected",
    "revocation: URL and body from the client library; make one call",
    "errors: names from memory; make one exchange with a wrong code and one with a wrong secret",
    "common_scopes, identity: names from public knowledge; complete one consent with each and make one call",
    "pkce: no documentation found; send a wrong verifier",
  ],
});
