/**
 * Google Docs. https://developers.google.com/workspace/docs/api/auth (checked 2026-11-23)
 *
 * A set of scopes in the Google family. The API has no list call.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googledocs = defineProvider({
  ...googleFamily,
  id: "googledocs",
  display_name: "Google Docs",
  description: "Create and edit Google Docs.",
  docs_url: "https://developers.google.com/workspace/docs/api/auth",
  registration: googleRegistration("Google Docs API"),
  traps: [...googleFamily.traps, "The Docs API cannot list documents. Listing needs a Drive scope."],
  default_scopes: [`${SCOPE}/documents`],
  common_scopes: [
    { scope: `${SCOPE}/documents`, meaning: "read and write all documents" },
    { scope: `${SCOPE}/documents.readonly`, meaning: "read all documents" },
    { scope: `${SCOPE}/drive.file`, meaning: "only files opened or created by the app" },
    { scope: `${SCOPE}/drive.readonly`, meaning: "read Drive files" },
    { scope: `${SCOPE}/drive`, meaning: "all Drive files" },
  ],
  hosts: [{ name: "api", base_url: "https://docs.googleapis.com" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/docs/api/auth"],
});
