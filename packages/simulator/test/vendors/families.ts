/** Services that share an authorization server: those of Google and Microsoft. */
import { BEARER, get, postForm, type CallSpec, type Service } from "./service.ts";

const SCOPE = "https://www.googleapis.com/auth/";
const USERINFO = get("openidconnect.googleapis.com/v1/userinfo");

const google = (scope: string, resource: CallSpec, identity: CallSpec = USERINFO): Service => ({
  authorize: "accounts.google.com/o/oauth2/v2/auth",
  token: "oauth2.googleapis.com/token",
  params: { scope: `openid email profile ${SCOPE}${scope}`, access_type: "offline", prompt: "consent" },
  auth: "post",
  identity,
  resource,
  revoke: postForm("oauth2.googleapis.com/revoke", { token: "{refresh}" }, {}),
  refresh: "stays",
});

const GRAPH = "graph.microsoft.com/v1.0";
const OFFLINE = "openid profile email offline_access User.Read";

const microsoft = (scopes: string, path: string): Service => ({
  authorize: "login.microsoftonline.com/organizations/oauth2/v2.0/authorize",
  token: "login.microsoftonline.com/organizations/oauth2/v2.0/token",
  params: { scope: `${OFFLINE} ${scopes}`, response_mode: "query" },
  auth: "post",
  refresh_params: { scope: `${OFFLINE} ${scopes}` },
  identity: get(`${GRAPH}/me`),
  resource: get(`${GRAPH}${path}`),
  revoke: null,
  refresh: "grace",
});

export const families = {
  gmail: google("gmail.readonly", get("gmail.googleapis.com/gmail/v1/users/me/profile")),
  google_analytics: google(
    "analytics.readonly",
    get("analyticsadmin.googleapis.com/v1beta/accountSummaries?pageSize=1"),
  ),
  googleads: google(
    "adwords",
    get("googleads.googleapis.com/v21/customers:listAccessibleCustomers", { ...BEARER, "developer-token": "example" }),
  ),
  googlebigquery: google("bigquery", get("bigquery.googleapis.com/bigquery/v2/projects?maxResults=1")),
  googlecalendar: google("calendar", get("www.googleapis.com/calendar/v3/users/me/calendarList?maxResults=1")),
  google_classroom: google("classroom.courses.readonly", get("classroom.googleapis.com/v1/courses?pageSize=1")),
  googledocs: google("documents", get("docs.googleapis.com/v1/documents/doc-1")),
  googledrive: google(
    "drive.file",
    get("www.googleapis.com/drive/v3/files"),
    get("www.googleapis.com/drive/v3/about?fields=user"),
  ),
  googlemeet: google("meetings.space.readonly", get("meet.googleapis.com/v2/conferenceRecords")),
  google_search_console: google("webmasters.readonly", get("www.googleapis.com/webmasters/v3/sites")),
  googlesheets: google("spreadsheets", get("sheets.googleapis.com/v4/spreadsheets/sheet-1")),
  googleslides: google("presentations", get("slides.googleapis.com/v1/presentations/deck-1")),
  googletasks: google("tasks.readonly", get("tasks.googleapis.com/tasks/v1/users/@me/lists")),
  microsoft_teams: microsoft("Team.ReadBasic.All", "/me/joinedTeams?$select=id"),
  one_drive: microsoft("Files.ReadWrite", "/me/drive?$select=id,driveType"),
  outlook: microsoft("Mail.ReadWrite Mail.Send", "/me/mailFolders/inbox?$select=id"),
  share_point: microsoft("Sites.ReadWrite.All", "/sites/root?$select=id,webUrl"),
} as const satisfies Record<string, Service>;
