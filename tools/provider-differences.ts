/**
 * Where sources disagree about a vendor: what each says, which one the catalog follows, and why.
 * Published as docs/providers/differences.md.
 */

export interface Difference {
  readonly providers: readonly string[];
  readonly point: string;
  /** What each source says. */
  readonly sources: string;
  /** What the catalog does, and why. */
  readonly choice: string;
}

const GOOGLE = [
  "gmail google_analytics google_classroom google_search_console googleads googlebigquery googlecalendar googledocs",
  "googledrive googlemeet googlesheets googleslides googletasks",
]
  .join(" ")
  .split(" ");
const MICROSOFT = ["microsoft_teams", "one_drive", "outlook", "share_point"];

export const DIFFERENCES: readonly Difference[] = [
  {
    providers: ["wix"],
    point: "the whole flow",
    sources: "The code flow is closed to new apps. The SDK and older guides still show it.",
    choice: "Client credentials with the installation's id. New apps can register only for this.",
  },
  {
    providers: ["wix"],
    point: "URL of the installer",
    sources:
      "Current guides: www.wix.com/app-installer with postInstallationUrl. The SDK: /installer/install with redirectUrl.",
    choice: "The current one. The older one belongs to the code flow.",
  },
  {
    providers: ["wix"],
    point: "expires_in",
    sources: "The SDK reads it. An integrator reports that it is missing.",
    choice: "Read if present. Otherwise 4 hours are assumed.",
  },
  {
    providers: ["tiktok"],
    point: "lifetimes",
    sources: "Pages of November 2026: 2 hours and 180 days. Older pages: 24 hours and 365 days.",
    choice: "The newer values, unless the response states others.",
  },
  {
    providers: ["tiktok"],
    point: "PKCE",
    sources:
      "Two libraries send the standard challenge. The vendor's desktop page and many clients send a hexadecimal one.",
    choice: "Not sent, which is allowed for web apps. A standard challenge would fail.",
  },
  {
    providers: ["hubspot"],
    point: "token URL",
    sources: "Another catalog: /oauth/v1. The vendor: 2026-03, with v1 ending on 2027-02-16.",
    choice: "2026-03.",
  },
  {
    providers: ["hubspot"],
    point: "rotation",
    sources: "Older pages: the refresh token stays the same. Newer pages do not say.",
    choice: "It stays the same. If a response includes a new one, that replaces it.",
  },
  {
    providers: ["notion"],
    point: "refresh",
    sources:
      "Another catalog: none, tokens never expire. The vendor and its SDK: refresh with rotation, without expires_in.",
    choice: "As the vendor says. A token is used until it is rejected, then refreshed once.",
  },
  {
    providers: ["linear"],
    point: "PKCE",
    sources: "The vendor: supported. Another catalog leaves it off.",
    choice: "Sent.",
  },
  {
    providers: ["linear"],
    point: "a refresh token sent twice",
    sources: "Some remember a window of about 30 minutes. No source documents it.",
    choice: "Single use. If the opposite assumption were wrong, the grant would be lost.",
  },
  {
    providers: MICROSOFT,
    point: "PKCE",
    sources: "The vendor: supported for every kind of app. Another catalog leaves it off.",
    choice: "Sent.",
  },
  {
    providers: MICROSOFT,
    point: "old refresh token",
    sources: "The vendor: use does not revoke it, although each refresh returns a new one.",
    choice: "It can be sent again. The new one replaces it.",
  },
  {
    providers: ["discord"],
    point: "authorization URL",
    sources: "The vendor: /oauth2/authorize. Another catalog: /api/oauth2/authorize.",
    choice: "The vendor's.",
  },
  {
    providers: ["discord"],
    point: "rotation",
    sources: "The vendor's example shows a new refresh token. The effect on the old one is not documented.",
    choice: "Single use.",
  },
  {
    providers: ["github"],
    point: "PKCE",
    sources: "Current pages: S256, since July 2025. Older copies: not supported.",
    choice: "Sent.",
  },
  {
    providers: ["github", ...GOOGLE],
    point: "iss in the callback",
    sources: "Seen in public code, but in no vendor page that was consulted.",
    choice: "Compared if present, not required.",
  },
  {
    providers: GOOGLE,
    point: "extent of a revocation",
    sources:
      "The vendor: the token and its refresh token. The effect on the user's other connections is not documented.",
    choice: "Assumed to end them. Nothing is revoked while another connection of the same account is active.",
  },
  {
    providers: ["dropbox"],
    point: "length of state",
    sources: "500 bytes in one copy of the guide, 2000 in another.",
    choice: "43 characters, which fit either limit.",
  },
  {
    providers: ["salesforce"],
    point: "lifetime of an access token",
    sources: "Not in the response. A policy of the org sets it.",
    choice: "2 hours, and a refresh when the API rejects the token.",
  },
  {
    providers: ["salesforce"],
    point: "rotation",
    sources: "A policy of the app, which partners are urged to use.",
    choice: "Single use, which is correct with the policy and harmless without.",
  },
  {
    providers: ["slack"],
    point: "position of a refreshed user token",
    sources: "The SDK: at the top level. Some clients: under authed_user.",
    choice: "Both are tried, the top level first.",
  },
  {
    providers: ["slack", "slackbot"],
    point: "PKCE",
    sources:
      "Offered since March 2026. Enabling it makes the app a public client, whose refresh tokens expire after 30 days.",
    choice: "Not sent.",
  },
  {
    providers: ["linkedin"],
    point: "revocation",
    sources: "Seen in public code, but in no vendor page that was consulted.",
    choice: "Tried. A failure has no effect here.",
  },
  {
    providers: ["linkedin"],
    point: "error for an expired refresh token",
    sources: "The guide: invalid_grant. Reports: also invalid_request, which can also mean a malformed request.",
    choice:
      "Only invalid_grant ends a connection. Other errors are retried for four days before the user must reconnect.",
  },
  {
    providers: ["x", "wix"],
    point: "error for a revoked grant",
    sources: "Reports: invalid_request, which at other vendors means a malformed request.",
    choice:
      "The grant counts as revoked, since our requests are well formed. At Wix, one more request is made, which does no harm.",
  },
  {
    providers: ["typeform"],
    point: "rotation, scopes on refresh",
    sources: "Only one project, which cites the vendor.",
    choice: "Single use, and the scopes are sent.",
  },
  {
    providers: ["splitwise"],
    point: "lifetime and refresh",
    sources: "The vendor's description lists only URLs.",
    choice: "No expiry, no refresh.",
  },
  {
    providers: ["box"],
    point: "PKCE",
    sources: "Another catalog sends it. The vendor does not mention it.",
    choice: "Not sent. A challenge that the vendor does not check protects nothing.",
  },
  {
    providers: ["airtable"],
    point: "format of state",
    sources: "A maximum length and a character set, from memory. No page was found.",
    choice: "43 characters of base64url, which fit any of them.",
  },
  {
    providers: ["x"],
    point: "host of the token URL",
    sources: "The vendor: api.x.com. Libraries: api.twitter.com. Both serve it.",
    choice: "api.x.com.",
  },
  {
    providers: ["quickbooks"],
    point: "client authentication",
    sources: "The vendor's SDK: Basic. Another catalog: in the body.",
    choice: "Basic.",
  },
  {
    providers: ["bitbucket", "front", "spotify", "xero", "zoom"],
    point: "client authentication",
    sources: "One catalog: in the body. Other catalogs, libraries or public code: Basic.",
    choice: "Basic.",
  },
  {
    providers: ["strava"],
    point: "authorization URL",
    sources: "One catalog: /oauth/mobile/authorize. A library: /oauth/authorize.",
    choice: "/oauth/authorize, since the other is for phone apps.",
  },
];
