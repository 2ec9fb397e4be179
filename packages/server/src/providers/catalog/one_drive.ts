/**
 * Microsoft OneDrive. https://learn.microsoft.com/en-us/graph/permissions-reference
 * (checked 2026-11-23)
 *
 * A set of scopes in the Microsoft family, at Microsoft Graph. Personal and work accounts can
 * connect.
 */
import { defineProvider } from "../provider.ts";
import { microsoftFamily, tenant } from "./families/microsoft.ts";

export const one_drive = defineProvider({
  ...microsoftFamily,
  id: "one_drive",
  display_name: "Microsoft OneDrive",
  description: "Files in OneDrive through Microsoft Graph.",
  default_scopes: ["Files.ReadWrite"],
  common_scopes: [
    { scope: "Files.Read", meaning: "read own files" },
    { scope: "Files.ReadWrite", meaning: "read and write own files" },
    { scope: "Files.Read.All", meaning: "read all files the user can access" },
    { scope: "Files.ReadWrite.All", meaning: "write all files the user can access" },
    { scope: "Files.ReadWrite.AppFolder", meaning: "only the app's folder" },
    { scope: "Sites.Read.All", meaning: "read SharePoint sites" },
  ],
  config_fields: [tenant("common")],
});
