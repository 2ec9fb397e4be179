/**
 * Shared by Atlassian's cloud services.
 * https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps (checked 2026-11-23)
 *
 * Follows RFC 6749. API calls go to one host, with the site's id in the path. A request lists the
 * user's sites, and the first one becomes the account. A rotated refresh token stays valid for ten
 * minutes.
 */
import type { ApiRequest, ProviderDefinition } from "../../provider.ts";

const sites: ApiRequest = { method: "GET", url: "https://api.atlassian.com/oauth/token/accessible-resources" };

/**
 * Returns the registration steps of one service. They share a console. Each API is added by name.
 */
export const atlassianRegistration = (service: string): ProviderDefinition["registration"] => ({
  url: "https://developer.atlassian.com/console/myapps/",
  notes: [`Create an OAuth 2.0 (3LO) integration, then add the ${service} API and its scopes to it.`],
});

export const atlassianFamily = {
  vendor: "atlassian",
  traps: [
    "A user with several sites picks one on the consent screen. If several are granted, the first one is used.",
    "Until the app is shared, only its owner can connect.",
  ],
  authorization_url: "https://auth.atlassian.com/authorize",
  token_url: "https://auth.atlassian.com/oauth/token",
  client_auth: "client_secret_post",
  // Returns a refresh token.
  required_scopes: ["offline_access"],
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
  revocation: { kind: "none", note: "Users revoke access at https://id.atlassian.com/manage-profile/apps." },
  // The error for a wrong client secret.
  errors: { refused: [], misconfigured: ["access_denied"], transient: [] },
  unverified: [
    "lifetime: ten minutes and 90 days from memory; send a used refresh token after nine and after eleven minutes",
    "common_scopes: names from memory; complete one consent with each",
    "identity: that an empty list of sites means an account without a name; connect a user without a site",
    "errors.misconfigured: from reports; refresh with a wrong secret",
    "pkce: no documentation found; send a wrong verifier",
  ],
} as const satisfies Partial<ProviderDefinition>;
