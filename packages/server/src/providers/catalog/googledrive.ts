/**
 * Google Drive. https://developers.google.com/workspace/drive/api/guides/api-specific-auth (checked 2026-11-23)
 *
 * A scope set of the Google family. Uploads have a path of their own.
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
  traps: [...googleFamily.traps, "drive.file reaches only files that were opened or made with this app."],
  default_scopes: [`${SCOPE}/drive.file`],
  common_scopes: [
    { scope: `${SCOPE}/drive`, meaning: "all files, read and write" },
    { scope: `${SCOPE}/drive.readonly`, meaning: "read all files" },
    { scope: `${SCOPE}/drive.file`, meaning: "only files opened or made by the app" },
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
