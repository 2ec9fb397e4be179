/**
 * Confluence Cloud. https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps
 * (checked 2026-11-23)
 *
 * Uses the same authorization server and the same form as Jira: families/atlassian.ts.
 */
import { defineProvider } from "../provider.ts";
import { atlassianFamily, atlassianRegistration } from "./families/atlassian.ts";

export const confluence = defineProvider({
  ...atlassianFamily,
  id: "confluence",
  display_name: "Confluence",
  description: "Pages and spaces in Confluence Cloud.",
  docs_url: "https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps/",
  registration: atlassianRegistration("Confluence"),
  default_scopes: ["read:confluence-content.all", "read:confluence-space.summary"],
  common_scopes: [
    { scope: "read:confluence-content.all", meaning: "read pages, blogs and comments" },
    { scope: "read:confluence-content.summary", meaning: "read summaries of pages" },
    { scope: "write:confluence-content", meaning: "create and change pages" },
    { scope: "read:confluence-space.summary", meaning: "read summaries of spaces" },
    { scope: "write:confluence-space", meaning: "create and change spaces" },
    { scope: "search:confluence", meaning: "search" },
    { scope: "read:confluence-user", meaning: "read users" },
  ],
  hosts: [{ name: "api", base_url: "https://api.atlassian.com/ex/confluence/{cloud_id}", binary_media_types: ["*/*"] }],
  sources: [
    "https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps/",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
});
