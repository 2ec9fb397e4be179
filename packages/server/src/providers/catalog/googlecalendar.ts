/**
 * Google Calendar. https://developers.google.com/workspace/calendar/api/auth (checked 2026-11-23)
 *
 * A set of scopes in the Google family. The API's address includes a path.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const googlecalendar = defineProvider({
  ...googleFamily,
  id: "googlecalendar",
  display_name: "Google Calendar",
  description: "Calendars and events.",
  docs_url: "https://developers.google.com/workspace/calendar/api/auth",
  registration: googleRegistration("Google Calendar API"),
  default_scopes: [`${SCOPE}/calendar`],
  common_scopes: [
    { scope: `${SCOPE}/calendar`, meaning: "read, write, share all calendars" },
    { scope: `${SCOPE}/calendar.readonly`, meaning: "read all calendars" },
    { scope: `${SCOPE}/calendar.events`, meaning: "read and write events" },
    { scope: `${SCOPE}/calendar.events.readonly`, meaning: "read events" },
    { scope: `${SCOPE}/calendar.calendarlist.readonly`, meaning: "list subscribed calendars" },
    { scope: `${SCOPE}/calendar.freebusy`, meaning: "availability only" },
    { scope: `${SCOPE}/calendar.settings.readonly`, meaning: "calendar settings" },
    { scope: `${SCOPE}/calendar.app.created`, meaning: "only calendars created by the app" },
  ],
  hosts: [{ name: "api", base_url: "https://www.googleapis.com/calendar/v3" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/calendar/api/auth"],
});
