/**
 * Google Slides. https://developers.google.com/workspace/slides/api/scopes (checked 2026-11-23)
 *
 * A set of scopes in the Google family. The API has no list call.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googleslides = defineProvider({
  ...googleFamily,
  id: "googleslides",
  display_name: "Google Slides",
  description: "Create and edit presentations.",
  docs_url: "https://developers.google.com/workspace/slides/api/scopes",
  registration: googleRegistration("Google Slides API"),
  traps: [...googleFamily.traps, "The Slides API cannot list presentations. Listing needs a Drive scope."],
  default_scopes: [`${SCOPE}/presentations`],
  common_scopes: [
    { scope: `${SCOPE}/presentations`, meaning: "read and write all presentations" },
    { scope: `${SCOPE}/presentations.readonly`, meaning: "read all presentations" },
    { scope: `${SCOPE}/drive.file`, meaning: "only files opened or created by the app" },
    { scope: `${SCOPE}/drive.readonly`, meaning: "read Drive files" },
    { scope: `${SCOPE}/spreadsheets.readonly`, meaning: "read linked charts" },
  ],
  hosts: [{ name: "api", base_url: "https://slides.googleapis.com" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/slides/api/scopes"],
});
