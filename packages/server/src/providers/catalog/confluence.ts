/**
 * Confluence Cloud. https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps (checked 2026-11-23)
 *
 * The same authorization server as Jira's, and the same shape: one API host with the id of the site in the path, the
 * first of the person's sites as the account, and a rotated refresh token that works on for ten minutes.
 */
import { defineProvider } from "../provider.ts";

const sites = { method: "GET", url: "https://api.atlassian.com/oauth/token/accessible-resources" } as const;

export const confluence = defineProvider({
  id: "confluence",
  display_name: "Confluence",
  description: "Pages and spaces in Confluence Cloud.",
  vendor: "atlassian",
  docs_url: "https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps/",
  registration: {
    url: "https://developer.atlassian.com/console/myapps/",
    notes: ["Make an OAuth 2.0 (3LO) integration and add the Confluence API with its scopes to it."],
  },
  traps: [
    "A person with several sites picks one on the consent screen; with more than one granted the first is used.",
    "Until the app is shared, only its owner can connect.",
  ],
  authorization_url: "https://auth.atlassian.com/authorize",
  token_url: "https://auth.atlassian.com/oauth/token",
  client_auth: "client_secret_post",
  default_scopes: ["read:confluence-content.all", "read:confluence-space.summary"],
  // The refresh token.
  required_scopes: ["offline_access"],
  common_scopes: [
    { scope: "read:confluence-content.all", meaning: "read pages, blogs and comments" },
    { scope: "read:confluence-content.summary", meaning: "read summaries of pages" },
    { scope: "write:confluence-content", meaning: "create and change pages" },
    { scope: "read:confluence-space.summary", meaning: "read summaries of spaces" },
    { scope: "write:confluence-space", meaning: "create and change spaces" },
    { scope: "search:confluence", meaning: "search" },
    { scope: "read:confluence-user", meaning: "read people" },
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
  hosts: [{ name: "api", base_url: "https://api.atlassian.com/ex/confluence/{cloud_id}", binary_media_types: ["*/*"] }],
  // What a wrong client secret answers.
  errors: { refused: [], misconfigured: ["access_denied"], transient: [] },
  sources: [
    "https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps/",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime: ten minutes and 90 days from memory; send an old refresh token after nine and after eleven minutes",
    "common_scopes: names from memory; one consent with each",
    "identity: that an empty list of sites is an account without a name; connect a person without a site",
    "errors.misconfigured: from reports; refresh with a wrong secret",
    "pkce: nothing was found; send a wrong verifier",
  ],
});
