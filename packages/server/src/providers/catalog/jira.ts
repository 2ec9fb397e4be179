/**
 * Jira Cloud. https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps
 * (checked 2026-11-23)
 *
 * Follows RFC 6749, like all Atlassian services: families/atlassian.ts.
 */
import { defineProvider } from "../provider.ts";
import { atlassianFamily, atlassianRegistration } from "./families/atlassian.ts";

export const jira = defineProvider({
  ...atlassianFamily,
  id: "jira",
  display_name: "Jira",
  description: "Issues and projects in Jira Cloud.",
  docs_url: "https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/",
  registration: atlassianRegistration("Jira"),
  default_scopes: ["read:jira-work", "read:jira-user"],
  common_scopes: [
    { scope: "read:jira-work", meaning: "read issues, projects and boards" },
    { scope: "write:jira-work", meaning: "create and change issues" },
    { scope: "read:jira-user", meaning: "read users" },
    { scope: "manage:jira-project", meaning: "change projects" },
    { scope: "manage:jira-configuration", meaning: "administer Jira" },
    { scope: "manage:jira-webhook", meaning: "manage webhooks" },
  ],
  hosts: [{ name: "api", base_url: "https://api.atlassian.com/ex/jira/{cloud_id}", binary_media_types: ["*/*"] }],
  sources: ["https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/"],
});
