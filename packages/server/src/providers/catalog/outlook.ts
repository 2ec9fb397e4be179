/**
 * Outlook. https://learn.microsoft.com/en-us/graph/permissions-reference (checked 2026-11-23)
 *
 * A set of scopes in the Microsoft family, at Microsoft Graph. Personal and work accounts can
 * connect.
 */
import { defineProvider } from "../provider.ts";
import { microsoftFamily, tenant } from "./families/microsoft.ts";

export const outlook = defineProvider({
  ...microsoftFamily,
  id: "outlook",
  display_name: "Outlook",
  description: "Mail, calendar and contacts through Microsoft Graph.",
  traps: [...microsoftFamily.traps, "An account without a mailbox can connect, but its mail calls fail."],
  default_scopes: ["Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite"],
  common_scopes: [
    { scope: "Mail.Read", meaning: "read mail" },
    { scope: "Mail.ReadWrite", meaning: "read and change mail" },
    { scope: "Mail.Send", meaning: "send mail" },
    { scope: "MailboxSettings.Read", meaning: "mailbox settings" },
    { scope: "Calendars.Read", meaning: "read calendars" },
    { scope: "Calendars.ReadWrite", meaning: "write calendars" },
    { scope: "Contacts.Read", meaning: "read contacts" },
    { scope: "Contacts.ReadWrite", meaning: "write contacts" },
    { scope: "Tasks.ReadWrite", meaning: "To Do tasks" },
  ],
  config_fields: [tenant("common")],
});
