/**
 * Google Meet. https://developers.google.com/workspace/meet/api/guides/overview (checked 2026-11-23)
 *
 * A scope set of the Google family. Recordings themselves are files in Drive.
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
  traps: [...googleFamily.traps, "Recordings and transcripts exist only with a Workspace edition that makes them."],
  default_scopes: [`${SCOPE}/meetings.space.created`],
  common_scopes: [
    { scope: `${SCOPE}/meetings.space.created`, meaning: "make spaces, and read those that the app made" },
    { scope: `${SCOPE}/meetings.space.readonly`, meaning: "read all spaces the person can see" },
    { scope: `${SCOPE}/meetings.space.settings`, meaning: "change settings of spaces" },
    { scope: `${SCOPE}/drive.meet.readonly`, meaning: "read recordings and transcripts in Drive" },
  ],
  hosts: [{ name: "api", base_url: "https://meet.googleapis.com" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/meet/api/guides/overview"],
  unverified: [
    ...googleFamily.unverified,
    "common_scopes, hosts: from public knowledge, no vendor page was opened; one consent and one call",
  ],
});
