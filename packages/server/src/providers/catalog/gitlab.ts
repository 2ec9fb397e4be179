/**
 * GitLab.com. https://docs.gitlab.com/api/oauth2 (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636. For a self-managed instance, the operator defines a separate
 * service in a JSON file. Its host is then the operator's decision, and no builder's input decides
 * where secrets are sent.
 */
import { defineProvider } from "../provider.ts";

const user = { method: "GET", url: "https://gitlab.com/api/v4/user" } as const;

export const gitlab = defineProvider({
  id: "gitlab",
  display_name: "GitLab",
  description: "Projects, issues and merge requests on GitLab.com.",
  vendor: "gitlab",
  docs_url: "https://docs.gitlab.com/api/oauth2/",
  registration: {
    url: "https://gitlab.com/-/user_settings/applications",
    notes: ["Select Confidential and every scope that will be requested."],
  },
  traps: ["A refresh revokes the previous access token."],
  authorization_url: "https://gitlab.com/oauth/authorize",
  token_url: "https://gitlab.com/oauth/token",
  client_auth: "client_secret_post",
  default_scopes: ["read_user"],
  // The account is read from /user.
  required_scopes: ["read_user"],
  common_scopes: [
    { scope: "read_user", meaning: "read the profile" },
    { scope: "api", meaning: "read and write everything" },
    { scope: "read_api", meaning: "read everything" },
    { scope: "read_repository", meaning: "read repositories" },
    { scope: "write_repository", meaning: "write repositories over HTTP" },
    { scope: "read_registry", meaning: "read container images" },
  ],
  lifetime: {
    access_s: 7200,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: user, account: { id: "id", label: "username", email: "email" } },
  health: user,
  revocation: {
    kind: "rfc7009",
    url: "https://gitlab.com/oauth/revoke",
    token: "refresh_token",
    client_auth: true,
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: "https://gitlab.com/api/v4", binary_media_types: ["application/octet-stream"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://docs.gitlab.com/api/oauth2/"],
  unverified: [
    "lifetime, traps: from memory; get one token, send one refresh token twice, make one call with the old access token",
    "revocation, identity: from memory; make one call each",
    "common_scopes: names from memory; complete one consent with each",
  ],
});
