/**
 * SharePoint. https://learn.microsoft.com/en-us/graph/permissions-reference (checked 2026-11-23)
 *
 * A set of scopes in the Microsoft family, at Microsoft Graph. The site is a setting that callers
 * receive and put into the paths of their requests. This server sends it nowhere.
 */
import { defineProvider } from "../provider.ts";
import { microsoftFamily, tenant } from "./families/microsoft.ts";

export const share_point = defineProvider({
  ...microsoftFamily,
  id: "share_point",
  display_name: "SharePoint",
  description: "Sites, lists and document libraries through Microsoft Graph.",
  traps: [
    ...microsoftFamily.traps,
    "Only work and school accounts can connect.",
    "Sites.Selected grants no access until an administrator adds each site to the app.",
  ],
  default_scopes: ["Sites.ReadWrite.All", "Files.ReadWrite.All"],
  common_scopes: [
    { scope: "Sites.Read.All", meaning: "read all sites" },
    { scope: "Sites.ReadWrite.All", meaning: "edit items in all sites" },
    { scope: "Sites.Manage.All", meaning: "create and delete lists" },
    { scope: "Sites.FullControl.All", meaning: "full control (admin consent)" },
    { scope: "Sites.Selected", meaning: "only sites granted by an admin" },
    { scope: "Files.Read.All", meaning: "read all files" },
    { scope: "Files.ReadWrite.All", meaning: "write all files" },
  ],
  config_fields: [
    {
      name: "subdomain",
      display_name: "SharePoint Site",
      description: "The site's path after the host: sites/mysite or teams/myteam.",
      placeholder: "sites/mysite",
      required: true,
      default: null,
      pattern: "^[a-zA-Z0-9/_-]+$",
      validation_error: "Enter the site's path, such as sites/mysite. Use letters, digits, slashes, _ and -.",
    },
    tenant("organizations"),
  ],
  unverified: [
    ...microsoftFamily.unverified,
    "common_scopes: Sites.Manage.All, Sites.FullControl.All and Sites.Selected from memory; complete one consent with each",
  ],
});
