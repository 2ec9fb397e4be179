/**
 * What Atlassian's cloud services share. https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps (checked 2026-11-23)
 *
 * Follows RFC 6749. API calls go to one host, with the id of the site in the path: the person's sites are listed by a
 * call, and the first one becomes the account. A rotated refresh token works on for ten minutes.
 */
import type { ApiRequest, ProviderDefinition } from "../../provider.ts";

const sites: ApiRequest = { method: "GET", url: "https://api.atlassian.com/oauth/token/accessible-resources" };

/** The registration of one of the services: they share a console, and each API is added to the app by its name. */
export const atlassianRegistration = (service: string): ProviderDefinition["registration"] => ({
  url: "https://developer.atlassian.com/console/myapps/",
  notes: [`Make an OAuth 2.0 (3LO) integration and add the ${service} API with its scopes to it.`],
});

export const atlassianFamily = {
  vendor: "atlassian",
  traps: [
    "A person with several sites picks one on the consent screen; with more than one granted the first is used.",
    "Until the app is shared, only its owner can connect.",
  ],
  authorization_url: "https://auth.atlassian.com/authorize",
  token_url: "https://auth.atlassian.com/oauth/token",
  client_auth: "client_secret_post",
  // The refresh token.
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
  revocation: { kind: "none", note: "People end access at https://id.atlassian.com/manage-profile/apps." },
  // What a wrong client secret answers.
  errors: { refused: [], misconfigured: ["access_denied"], transient: [] },
  unverified: [
    "lifetime: ten minutes and 90 days from memory; send an old refresh token after nine and after eleven minutes",
    "common_scopes: names from memory; one consent with each",
    "identity: that an empty list of sites is an account without a name; connect a person without a site",
    "errors.misconfigured: from reports; refresh with a wrong secret",
    "pkce: nothing was found; send a wrong verifier",
  ],
} as const satisfies Partial<ProviderDefinition>;
