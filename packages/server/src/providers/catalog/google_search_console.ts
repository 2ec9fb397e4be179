/**
 * Google Search Console. https://developers.google.com/webmaster-tools/v1/how-tos/authorizing
 * (checked 2026-11-23)
 *
 * A set of scopes in the Google family. URL inspection is on a newer host.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const google_search_console = defineProvider({
  ...googleFamily,
  id: "google_search_console",
  display_name: "Google Search Console",
  description: "Search performance and index status of verified sites.",
  docs_url: "https://developers.google.com/webmaster-tools/v1/how-tos/authorizing",
  registration: googleRegistration("Google Search Console API"),
  default_scopes: [`${SCOPE}/webmasters.readonly`],
  common_scopes: [
    { scope: `${SCOPE}/webmasters.readonly`, meaning: "read search data" },
    { scope: `${SCOPE}/webmasters`, meaning: "read data, manage sites and sitemaps" },
    { scope: `${SCOPE}/indexing`, meaning: "submit URLs to the Indexing API" },
  ],
  hosts: [
    { name: "webmasters", base_url: "https://www.googleapis.com/webmasters/v3" },
    { name: "searchconsole", base_url: "https://searchconsole.googleapis.com" },
  ],
  sources: [...googleFamily.sources, "https://developers.google.com/webmaster-tools/v1/how-tos/authorizing"],
});
