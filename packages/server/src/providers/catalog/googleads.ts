/**
 * Google Ads. https://developers.google.com/google-ads/api/docs/oauth/overview (checked 2026-11-23)
 *
 * A set of scopes in the Google family. Calls need a developer token in addition to the access
 * token.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googleads = defineProvider({
  ...googleFamily,
  id: "googleads",
  display_name: "Google Ads",
  description: "Campaigns, ads and reports.",
  docs_url: "https://developers.google.com/google-ads/api/docs/oauth/overview",
  registration: googleRegistration(
    "Google Ads API",
    "Calls also need a developer token. Apply for one in a Google Ads manager account.",
  ),
  traps: [
    ...googleFamily.traps,
    "Every call fails without the developer token (header developer-token). It belongs to the operator, not to the connection.",
  ],
  default_scopes: [`${SCOPE}/adwords`],
  common_scopes: [{ scope: `${SCOPE}/adwords`, meaning: "read and manage Google Ads" }],
  hosts: [
    {
      name: "api",
      base_url: "https://googleads.googleapis.com",
      request_headers: ["developer-token", "login-customer-id"],
    },
  ],
  sources: [...googleFamily.sources, "https://developers.google.com/google-ads/api/docs/oauth/overview"],
  unverified: [
    ...googleFamily.unverified,
    "common_scopes, hosts: from public knowledge, no vendor page consulted; complete one consent and make one call",
  ],
});
