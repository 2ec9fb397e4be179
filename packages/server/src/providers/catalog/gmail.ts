/**
 * Gmail. https://developers.google.com/workspace/gmail/api/auth/scopes (checked 2026-11-23)
 *
 * A set of scopes in the Google family. A password change also revokes a grant that has Gmail
 * scopes.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const gmail = defineProvider({
  ...googleFamily,
  id: "gmail",
  display_name: "Gmail",
  description: "Read, send and organize Gmail messages.",
  docs_url: "https://developers.google.com/workspace/gmail/api/auth/scopes",
  registration: googleRegistration("Gmail API"),
  traps: [
    ...googleFamily.traps,
    "A password change revokes refresh tokens that have Gmail scopes.",
    "Most Gmail scopes are restricted. Public apps that use them need a yearly security assessment.",
  ],
  default_scopes: [`${SCOPE}/gmail.readonly`, `${SCOPE}/gmail.send`],
  common_scopes: [
    { scope: `${SCOPE}/gmail.readonly`, meaning: "read all mail" },
    { scope: `${SCOPE}/gmail.modify`, meaning: "read, label, move mail (no permanent delete)" },
    { scope: `${SCOPE}/gmail.send`, meaning: "send mail only" },
    { scope: `${SCOPE}/gmail.compose`, meaning: "manage drafts and send" },
    { scope: `${SCOPE}/gmail.labels`, meaning: "manage labels" },
    { scope: `${SCOPE}/gmail.metadata`, meaning: "headers and labels only" },
    { scope: `${SCOPE}/gmail.insert`, meaning: "insert messages" },
    { scope: `${SCOPE}/gmail.settings.basic`, meaning: "filters and settings" },
    { scope: "https://mail.google.com/", meaning: "full mailbox access, IMAP and SMTP" },
  ],
  hosts: [{ name: "api", base_url: "https://gmail.googleapis.com" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/gmail/api/auth/scopes"],
});
