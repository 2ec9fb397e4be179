/**
 * Google Classroom. https://developers.google.com/workspace/classroom/guides/auth
 * (checked 2026-11-23)
 *
 * A set of scopes in the Google family. Schools can allow apps one by one.
 */
import { defineProvider } from "../provider.ts";
import { googleFamily, googleRegistration, SCOPE } from "./families/google.ts";

export const google_classroom = defineProvider({
  ...googleFamily,
  id: "google_classroom",
  display_name: "Google Classroom",
  description: "Courses, rosters and coursework.",
  docs_url: "https://developers.google.com/workspace/classroom/guides/auth",
  registration: googleRegistration("Google Classroom API"),
  traps: [
    ...googleFamily.traps,
    "School administrators often block apps for users under 18. The consent then ends with an error.",
  ],
  default_scopes: [`${SCOPE}/classroom.courses.readonly`],
  common_scopes: [
    { scope: `${SCOPE}/classroom.courses`, meaning: "manage courses" },
    { scope: `${SCOPE}/classroom.courses.readonly`, meaning: "read courses" },
    { scope: `${SCOPE}/classroom.rosters`, meaning: "manage rosters" },
    { scope: `${SCOPE}/classroom.rosters.readonly`, meaning: "read rosters" },
    { scope: `${SCOPE}/classroom.coursework.me`, meaning: "own coursework and grades" },
    { scope: `${SCOPE}/classroom.coursework.students`, meaning: "student coursework and grades" },
    { scope: `${SCOPE}/classroom.coursework.students.readonly`, meaning: "read student coursework" },
    { scope: `${SCOPE}/classroom.announcements`, meaning: "manage announcements" },
    { scope: `${SCOPE}/classroom.profile.emails`, meaning: "email addresses of class members" },
    { scope: `${SCOPE}/classroom.profile.photos`, meaning: "photos of class members" },
    { scope: `${SCOPE}/classroom.topics`, meaning: "manage topics" },
    { scope: `${SCOPE}/classroom.guardianlinks.students`, meaning: "guardians" },
  ],
  hosts: [{ name: "api", base_url: "https://classroom.googleapis.com" }],
  sources: [...googleFamily.sources, "https://developers.google.com/workspace/classroom/guides/auth"],
  unverified: [
    ...googleFamily.unverified,
    "common_scopes: names have no second source; complete one consent with each",
  ],
});
