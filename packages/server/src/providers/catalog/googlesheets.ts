/**
 * Google Sheets. https://developers.google.com/workspace/sheets/api/scopes (checked 2026-11-23)
 *
 * A set of scopes in the Google family. The API has no list call.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googlesheets = defineProvider({
  ...googleFamily,
  id: "googlesheets",
  display_name: "Google Sheets",
  description: "Read and write spreadsheets.",
  docs_url: "https://developers.google.com/workspace/sheets/api/scopes",
  registration: googleRegistration("Google Sheets API"),
  traps: [...googleFamily.traps, "The Sheets API cannot list spreadsheets. Listing needs a Drive scope."],
  default_scopes: [`${SCOPE}/spreadsheets`],
  common_scopes: [
    { scope: `${SCOPE}/spreadsheets`, meaning: "read and write all sheets" },
    { scope: `${SCOPE}/spreadsheets.readonly`, meaning: "read all sheets" },
    { scope: `${SCOPE}/drive.file`, meaning: "only files opened or created by the app" },
    { scope: `${SCOPE}/drive.readonly`, meaning: "read Drive files (to list sheets)" },
    { scope: `${SCOPE}/drive`, meaning: "all Drive files" },
  ],
  hosts: [{ name: "api", base_url: "https://sheets.googleapis.com" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/sheets/api/scopes"],
});
