/**
 * Jira Cloud. https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps (checked 2026-11-23)
 *
 * Follows RFC 6749. API calls go to one host, with the id of the site in the path: the person's sites are listed by a
 * call, and the first one becomes the account. A rotated refresh token works on for ten minutes.
 */
import { defineProvider } from "../provider.ts";

const sites = { method: "GET", url: "https://api.atlassian.com/oauth/token/accessible-resources" } as const;

export const jira = defineProvider({
  id: "jira",
  display_name: "Jira",
  description: "Issues and projects in Jira Cloud.",
  vendor: "atlassian",
  docs_url: "https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/",
  registration: {
    url: "https://developer.atlassian.com/console/myapps/",
    notes: ["Make an OAuth 2.0 (3LO) integration and add the Jira API with its scopes to it."],
  },
  traps: [
    "A person with several sites picks one on the consent screen; with more than one granted the first is used.",
    "Until the app is shared, only its owner can connect.",
  ],
  authorization_url: "https://auth.atlassian.com/authorize",
  token_url: "https://auth.atlassian.com/oauth/token",
  client_auth: "client_secret_post",
  default_scopes: ["read:jira-work", "read:jira-user"],
  // The refresh token.
  required_scopes: ["offline_access"],
  common_scopes: [
    { scope: "read:jira-work", meaning: "read issues, projects and boards" },
    { scope: "write:jira-work", meaning: "create and change issues" },
    { scope: "read:jira-user", meaning: "read people" },
    { scope: "manage:jira-project", meaning: "change projects" },
    { scope: "manage:jira-configuration", meaning: "administer Jira" },
    { scope: "manage:jira-webhook", meaning: "manage webhooks" },
  ],
  authorization_params: { audience: "api.atlassian.com", prompt: "consent" },
  pkce: "none",
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "grace", grace_s: 600 },
    refresh_idle_s: 7_776_000,
    refresh_absolute_s: null,
  },
  derived_config: [
    {
      name: "cloud_id",
      from: "identity",
      path: "0.id",
      pattern: "^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    },
    { name: "site_url", from: "identity", path: "0.url", pattern: "^https://[a-z0-9-]+\\.atlassian\\.net$" },
  ],
  identity: { from: "request", request: sites, account: { id: "0.id", label: "0.name", email: null } },
  health: sites,
  revocation: { kind: "none", note: "People end access at https://id.atlassian.com/manage-profile/apps." },
  hosts: [{ name: "api", base_url: "https://api.atlassian.com/ex/jira/{cloud_id}", binary_media_types: ["*/*"] }],
  // What a wrong client secret answers.
  errors: { refused: [], misconfigured: ["access_denied"], transient: [] },
  sources: ["https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/"],
  unverified: [
    "lifetime: ten minutes and 90 days from memory; send an old refresh token after nine and after eleven minutes",
    "common_scopes: names from memory; one consent with each",
    "identity: that an empty list of sites is an account without a name; connect a person without a site",
    "errors.misconfigured: from reports; refresh with a wrong secret",
    "pkce: nothing was found; send a wrong verifier",
  ],
});
