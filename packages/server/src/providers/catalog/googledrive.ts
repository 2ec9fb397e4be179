/**
 * Google Drive. https://developers.google.com/workspace/drive/api/guides/api-specific-auth
 * (checked 2026-11-23)
 *
 * A set of scopes in the Google family. Uploads have a separate path.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googledrive = defineProvider({
  ...googleFamily,
  id: "googledrive",
  display_name: "Google Drive",
  description: "Files and folders in Drive.",
  docs_url: "https://developers.google.com/workspace/drive/api/guides/api-specific-auth",
  registration: googleRegistration("Google Drive API"),
  traps: [...googleFamily.traps, "drive.file covers only files opened or created with this app."],
  default_scopes: [`${SCOPE}/drive.file`],
  common_scopes: [
    { scope: `${SCOPE}/drive`, meaning: "all files, read and write" },
    { scope: `${SCOPE}/drive.readonly`, meaning: "read all files" },
    { scope: `${SCOPE}/drive.file`, meaning: "only files opened or created by the app" },
    { scope: `${SCOPE}/drive.metadata.readonly`, meaning: "names and properties only" },
    { scope: `${SCOPE}/drive.metadata`, meaning: "read and write metadata" },
    { scope: `${SCOPE}/drive.appdata`, meaning: "hidden app folder" },
    { scope: `${SCOPE}/drive.activity.readonly`, meaning: "activity history" },
  ],
  hosts: [
    {
      name: "api",
      base_url: "https://www.googleapis.com/drive/v3",
      request_headers: ["if-match", "if-none-match", "range"],
      binary_media_types: ["*/*"],
    },
    {
      name: "upload",
      base_url: "https://www.googleapis.com/upload/drive/v3",
      request_headers: ["if-match", "if-none-match", "range"],
      binary_media_types: ["*/*"],
    },
  ],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/drive/api/guides/api-specific-auth"],
});
