/**
 * Google Meet. https://developers.google.com/workspace/meet/api/guides/overview
 * (checked 2026-11-23)
 *
 * A set of scopes in the Google family. The recordings themselves are files in Drive.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googlemeet = defineProvider({
  ...googleFamily,
  id: "googlemeet",
  display_name: "Google Meet",
  description: "Meeting spaces, participants and transcripts.",
  docs_url: "https://developers.google.com/workspace/meet/api/guides/overview",
  registration: googleRegistration("Google Meet REST API"),
  traps: [...googleFamily.traps, "Recordings and transcripts exist only in Workspace editions that support them."],
  default_scopes: [`${SCOPE}/meetings.space.created`],
  common_scopes: [
    { scope: `${SCOPE}/meetings.space.created`, meaning: "create spaces, and read spaces created by the app" },
    { scope: `${SCOPE}/meetings.space.readonly`, meaning: "read all spaces the user can see" },
    { scope: `${SCOPE}/meetings.space.settings`, meaning: "change settings of spaces" },
    { scope: `${SCOPE}/drive.meet.readonly`, meaning: "read recordings and transcripts in Drive" },
  ],
  hosts: [{ name: "api", base_url: "https://meet.googleapis.com" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/meet/api/guides/overview"],
  unverified: [
    ...googleFamily.unverified,
    "common_scopes, hosts: from public knowledge, no vendor page consulted; complete one consent and make one call",
  ],
});
