/**
 * Google Calendar. https://developers.google.com/identity/protocols/oauth2/web-server (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636. A refresh token comes only with `access_type=offline`, and again only with
 * `prompt=consent`; a refresh answer carries none, so the old one stays.
 */
import { defineProvider } from "../provider.ts";

const SCOPE = "https://www.googleapis.com/auth";
const userinfo = { method: "GET", url: "https://openidconnect.googleapis.com/v1/userinfo" } as const;

export const googlecalendar = defineProvider({
  id: "googlecalendar",
  display_name: "Google Calendar",
  description: "Calendars and events.",
  vendor: "google",
  docs_url: "https://developers.google.com/workspace/calendar/api/auth",
  registration: {
    url: "https://console.cloud.google.com/auth/clients",
    notes: [
      "While the consent screen is in Testing, refresh tokens end after 7 days. Publish the app for lasting connections.",
      "Plain http redirect URIs are taken for localhost only.",
      "One OAuth client serves all Google services; enable the Calendar API in its project.",
    ],
  },
  authorization_url: "https://accounts.google.com/o/oauth2/v2/auth",
  token_url: "https://oauth2.googleapis.com/token",
  client_auth: "client_secret_post",
  default_scopes: [`${SCOPE}/calendar`],
  // The account is read from userinfo.
  required_scopes: ["openid", "email", "profile"],
  common_scopes: [
    { scope: `${SCOPE}/calendar`, meaning: "read, write and share all calendars" },
    { scope: `${SCOPE}/calendar.readonly`, meaning: "read all calendars" },
    { scope: `${SCOPE}/calendar.events`, meaning: "read and write events" },
    { scope: `${SCOPE}/calendar.events.readonly`, meaning: "read events" },
    { scope: `${SCOPE}/calendar.calendarlist.readonly`, meaning: "list subscribed calendars" },
    { scope: `${SCOPE}/calendar.freebusy`, meaning: "availability only" },
    { scope: `${SCOPE}/calendar.app.created`, meaning: "only calendars made by the app" },
  ],
  authorization_params: { access_type: "offline", prompt: "consent", include_granted_scopes: "false" },
  issuer: { value: "https://accounts.google.com", required: false },
  lifetime: { access_s: 3600, refresh: { kind: "stays" }, refresh_token_s: null },
  identity: { from: "request", request: userinfo, account: { id: "sub", label: "name", email: "email" } },
  // Not the calendar list: a narrow scope would get 403 there with a token that is alive.
  health: userinfo,
  revocation: {
    kind: "rfc7009",
    url: "https://oauth2.googleapis.com/revoke",
    token: "refresh_token",
    client_auth: false,
    kills_grant: true,
  },
  hosts: [{ name: "api", base_url: "https://www.googleapis.com/calendar/v3" }],
  errors: {
    refused: [],
    misconfigured: ["deleted_client", "disabled_client", "org_internal"],
    transient: ["internal_failure", "rate_limit_exceeded"],
  },
  sources: [
    "https://developers.google.com/identity/protocols/oauth2/web-server",
    "https://developers.google.com/identity/protocols/oauth2",
  ],
  unverified: [
    "issuer: seen in callbacks, not in the vendor's pages; one recorded callback settles it",
    "revocation.kills_grant: whether sibling connections of the same person die; revoke one of two and call both",
    "errors.misconfigured: collected from reports; a disabled and a deleted client each answer once",
  ],
});
