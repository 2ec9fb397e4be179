/**
 * Google Tasks. https://developers.google.com/workspace/tasks/auth (checked 2026-11-23)
 *
 * A set of scopes in the Google family. The API drops the time of day from due dates.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googletasks = defineProvider({
  ...googleFamily,
  id: "googletasks",
  display_name: "Google Tasks",
  description: "Task lists and tasks.",
  docs_url: "https://developers.google.com/workspace/tasks/auth",
  registration: googleRegistration("Google Tasks API"),
  default_scopes: [`${SCOPE}/tasks`],
  common_scopes: [
    { scope: `${SCOPE}/tasks`, meaning: "read and write tasks" },
    { scope: `${SCOPE}/tasks.readonly`, meaning: "read tasks" },
  ],
  hosts: [{ name: "api", base_url: "https://tasks.googleapis.com" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/tasks/auth"],
  unverified: [
    ...googleFamily.unverified,
    "common_scopes, hosts: from public knowledge, no vendor page consulted; complete one consent and make one call",
  ],
});
