/** Where sources disagree about a vendor, what the catalog took, and why. Shown in docs/providers/differences.md. */

export interface Difference {
  readonly providers: readonly string[];
  readonly point: string;
  /** What the sources say. */
  readonly said: string;
  readonly taken: string;
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
    said: "The code flow is closed to new apps; the SDK and older guides still show it.",
    taken: "Client credentials with the installation's id, since only that can be registered today.",
  },
  {
    providers: ["wix"],
    point: "address of the installer",
    said: "Current guides: www.wix.com/app-installer with postInstallationUrl. The SDK: /installer/install with redirectUrl.",
    taken: "The current one; the older belongs to the code flow.",
  },
  {
    providers: ["wix"],
    point: "expires_in",
    said: "The SDK reads it; an integrator reports that it is missing.",
    taken: "It is read; without it 4 hours are assumed.",
  },
  {
    providers: ["tiktok"],
    point: "lifetimes",
    said: "Pages of November 2026: 2 hours and 180 days. Older pages: 24 hours and 365 days.",
    taken: "The newer values, and whatever the answer says.",
  },
  {
    providers: ["tiktok"],
    point: "PKCE",
    said: "Two libraries send the standard challenge; the vendor's desktop page and many clients send hexadecimal.",
    taken: "None is sent, which web apps may: a standard challenge would fail.",
  },
  {
    providers: ["hubspot"],
    point: "token address",
    said: "Another catalog: /oauth/v1. The vendor: 2026-03, with v1 ending on 2027-02-16.",
    taken: "2026-03.",
  },
  {
    providers: ["hubspot"],
    point: "rotation",
    said: "Older pages: the refresh token stays. Nothing newer says so or otherwise.",
    taken: "It stays; one that comes in an answer replaces it.",
  },
  {
    providers: ["notion"],
    point: "refresh",
    said: "Another catalog: none, tokens never expire. The vendor and its SDK: refresh with rotation, without expires_in.",
    taken: "The vendor: a token is used until it is refused, then refreshed once.",
  },
  {
    providers: ["linear"],
    point: "PKCE",
    said: "The vendor: supported. Another catalog leaves it off.",
    taken: "Sent.",
  },
  {
    providers: ["linear"],
    point: "a refresh token sent twice",
    said: "A window of about 30 minutes is remembered by some, and documented by nobody.",
    taken: "Single use: wrong the other way round, the grant would be lost.",
  },
  {
    providers: MICROSOFT,
    point: "PKCE",
    said: "The vendor: supported for every kind of app. Another catalog leaves it off.",
    taken: "Sent.",
  },
  {
    providers: MICROSOFT,
    point: "the old refresh token",
    said: "The vendor: not revoked by its use, though each refresh brings a new one.",
    taken: "May be sent again; the new one replaces it.",
  },
  {
    providers: ["discord"],
    point: "authorization address",
    said: "The vendor: /oauth2/authorize. Another catalog: /api/oauth2/authorize.",
    taken: "The vendor's.",
  },
  {
    providers: ["discord"],
    point: "rotation",
    said: "The vendor's example shows a new refresh token; what becomes of the old one is not written.",
    taken: "Single use.",
  },
  {
    providers: ["github"],
    point: "PKCE",
    said: "Current pages: S256, since July 2025. Older copies: unsupported.",
    taken: "Sent.",
  },
  {
    providers: ["github", ...GOOGLE],
    point: "iss in the callback",
    said: "Seen in public code, in no vendor page that was opened.",
    taken: "Compared where it comes, and not missed where it does not.",
  },
  {
    providers: GOOGLE,
    point: "reach of a revocation",
    said: "The vendor: the token and its refresh token. What becomes of other connections of the same person is open.",
    taken: "Taken to end them: nothing is revoked while a sibling connection lives.",
  },
  {
    providers: ["dropbox"],
    point: "length of state",
    said: "500 bytes in one copy of the guide, 2000 in another.",
    taken: "43 characters fit either way.",
  },
  {
    providers: ["salesforce"],
    point: "life of an access token",
    said: "Not in the answer; a policy of the org.",
    taken: "2 hours, and a refresh when the API refuses the token.",
  },
  {
    providers: ["salesforce"],
    point: "rotation",
    said: "A policy of the app, pushed on partners.",
    taken: "Single use, which is right with it and harmless without.",
  },
  {
    providers: ["slack"],
    point: "where a refreshed user token is",
    said: "The SDK: at the top level. Some clients: under authed_user.",
    taken: "Both are tried, the top level first.",
  },
  {
    providers: ["slack", "slackbot"],
    point: "PKCE",
    said: "Offered since March 2026; switching it on makes the app a public client and ends refresh tokens after 30 days.",
    taken: "Off.",
  },
  {
    providers: ["linkedin"],
    point: "revocation",
    said: "Seen in public code, in no vendor page that was opened.",
    taken: "Tried; a failure changes nothing here.",
  },
  {
    providers: ["linkedin"],
    point: "the name of a dead refresh token",
    said: "invalid_grant in the guide; reported as invalid_request too, which also means a request that is wrong.",
    taken: "Only invalid_grant ends a connection; otherwise it is tried for four days, then a person is asked.",
  },
  {
    providers: ["x", "wix"],
    point: "the name of a dead grant",
    said: "Reported as invalid_request, which elsewhere means a request that is wrong.",
    taken: "The grant is dead: our requests are well formed. At Wix, where it does no harm, it is asked once more.",
  },
  {
    providers: ["typeform"],
    point: "rotation, scopes on refresh",
    said: "One project that cites the vendor.",
    taken: "Single use, and the scopes are sent.",
  },
  {
    providers: ["splitwise"],
    point: "lifetime and refresh",
    said: "The vendor's description lists only addresses.",
    taken: "No end, no refresh.",
  },
  {
    providers: ["box"],
    point: "PKCE",
    said: "Another catalog sends it; the vendor does not mention it.",
    taken: "Off: a check that nobody makes protects nobody.",
  },
  {
    providers: ["airtable"],
    point: "form of state",
    said: "A longest length and a character set are remembered, not found.",
    taken: "43 characters of base64url fit any of them.",
  },
  {
    providers: ["x"],
    point: "host of the token address",
    said: "The vendor: api.x.com. Libraries: api.twitter.com. Both serve it.",
    taken: "api.x.com.",
  },
  {
    providers: ["quickbooks"],
    point: "client authentication",
    said: "The vendor's SDK: Basic. Another catalog: in the body.",
    taken: "Basic.",
  },
  {
    providers: ["bitbucket", "front", "spotify", "xero", "zoom"],
    point: "client authentication",
    said: "One catalog: in the body. Other catalogs, libraries or public code: Basic.",
    taken: "Basic.",
  },
  {
    providers: ["strava"],
    point: "authorization address",
    said: "One catalog: /oauth/mobile/authorize. A library: /oauth/authorize.",
    taken: "/oauth/authorize, since the other is for apps on a phone.",
  },
];
