/**
 * Google Analytics. https://developers.google.com/analytics/devguides/reporting/data/v1
 * (checked 2026-11-23)
 *
 * A set of scopes in the Google family. Reports and configuration have separate hosts.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const google_analytics = defineProvider({
  ...googleFamily,
  id: "google_analytics",
  display_name: "Google Analytics",
  description: "GA4 reports and account configuration.",
  docs_url: "https://developers.google.com/analytics/devguides/reporting/data/v1",
  registration: googleRegistration("Google Analytics Data API and the Google Analytics Admin API"),
  default_scopes: [`${SCOPE}/analytics.readonly`],
  common_scopes: [
    { scope: `${SCOPE}/analytics.readonly`, meaning: "read reports and configuration" },
    { scope: `${SCOPE}/analytics`, meaning: "read and manage Analytics data" },
    { scope: `${SCOPE}/analytics.edit`, meaning: "edit accounts, properties, streams" },
    { scope: `${SCOPE}/analytics.manage.users`, meaning: "manage user access" },
    { scope: `${SCOPE}/analytics.manage.users.readonly`, meaning: "read user access" },
  ],
  hosts: [
    { name: "data", base_url: "https://analyticsdata.googleapis.com" },
    { name: "admin", base_url: "https://analyticsadmin.googleapis.com" },
  ],
  sources: [...googleFamily.sources, "https://developers.google.com/analytics/devguides/reporting/data/v1"],
});
