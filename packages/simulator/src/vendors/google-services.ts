/**
 * The APIs behind Google's one authorization server, except Calendar: one or two calls of each,
 * with their scopes. https://developers.google.com/workspace
 *
 * Quirks: Docs, Sheets and Slides have no list call, and return a document by its id. Google Ads
 * requires a `developer-token` header. Unverified: Ads, Meet and Tasks, which are from memory.
 */
import { json } from "../engine/reply.ts";
import type { Account, Incoming, Json, TokenRoute } from "../engine/types.ts";
import { stableNumber } from "../engine/values.ts";
import { apiError, denied, googleScopes } from "./google-common.ts";
import { person } from "./kit.ts";

interface Service {
  readonly type: string;
  readonly host: string;
  readonly path: string;
  readonly kind?: "resource" | "identity";
  readonly method?: "GET" | "POST";
  /** Names below https://www.googleapis.com/auth/. */
  readonly scopes: readonly string[];
  readonly body: (account: Account, params: Readonly<Record<string, string>>) => Json;
}

const DRIVE = ["drive", "drive.readonly", "drive.file", "drive.metadata", "drive.metadata.readonly"];
const DOCS = ["documents", "documents.readonly", "drive", "drive.readonly", "drive.file"];
const SHEETS = ["spreadsheets", "spreadsheets.readonly", "drive", "drive.readonly", "drive.file"];
const SLIDES = ["presentations", "presentations.readonly", "drive", "drive.readonly", "drive.file"];
const MAIL = ["gmail.readonly", "gmail.modify", "gmail.metadata", "gmail.compose"];

const id = (space: string, value: string): string => String(stableNumber(space, value));

const services: readonly Service[] = [
  {
    type: "gmail",
    host: "gmail.googleapis.com",
    path: "/gmail/v1/users/:user/profile",
    scopes: MAIL,
    body: ({ email }) => ({ emailAddress: email, messagesTotal: 1, threadsTotal: 1, historyId: "1" }),
  },
  {
    type: "gmail",
    host: "gmail.googleapis.com",
    path: "/gmail/v1/users/:user/messages",
    scopes: MAIL,
    body: ({ email }) => {
      const message = id("gmail message", email);
      return { messages: [{ id: message, threadId: message }], resultSizeEstimate: 1 };
    },
  },
  {
    type: "google_analytics",
    host: "analyticsadmin.googleapis.com",
    path: "/v1beta/accountSummaries",
    scopes: ["analytics.readonly", "analytics.edit"],
    body: ({ org }) => {
      const account = `accounts/${id("analytics", org)}`;
      return { accountSummaries: [{ name: `accountSummaries/${id("analytics", org)}`, account, displayName: org }] };
    },
  },
  {
    type: "google_analytics",
    host: "analyticsdata.googleapis.com",
    path: "/v1beta/properties/:report",
    method: "POST",
    scopes: ["analytics.readonly", "analytics"],
    body: () => ({
      rows: [],
      rowCount: 0,
      metadata: { currencyCode: "USD", timeZone: "Etc/UTC" },
      kind: "analyticsData#runReport",
    }),
  },
  {
    type: "googlebigquery",
    host: "bigquery.googleapis.com",
    path: "/bigquery/v2/projects",
    scopes: ["bigquery", "bigquery.readonly", "cloud-platform", "cloud-platform.read-only"],
    body: ({ org }) => ({
      kind: "bigquery#projectList",
      projects: [{ kind: "bigquery#project", id: `sim-${org}`, friendlyName: org }],
      totalItems: 1,
    }),
  },
  {
    type: "google_classroom",
    host: "classroom.googleapis.com",
    path: "/v1/courses",
    scopes: ["classroom.courses", "classroom.courses.readonly"],
    body: ({ org }) => ({ courses: [{ id: id("classroom", org), name: "Physics", courseState: "ACTIVE" }] }),
  },
  {
    type: "googledocs",
    host: "docs.googleapis.com",
    path: "/v1/documents/:document",
    scopes: DOCS,
    body: (_, { document }) => ({ documentId: document ?? "", title: "Notes", revisionId: "1", body: { content: [] } }),
  },
  {
    type: "googledrive",
    host: "www.googleapis.com",
    path: "/drive/v3/about",
    kind: "identity",
    scopes: DRIVE,
    body: (account) => ({
      user: {
        kind: "drive#user",
        displayName: person(account).full,
        me: true,
        permissionId: id("drive permission", account.email),
        emailAddress: account.email,
      },
    }),
  },
  {
    type: "googledrive",
    host: "www.googleapis.com",
    path: "/drive/v3/files",
    scopes: DRIVE,
    body: ({ email }) => ({
      kind: "drive#fileList",
      incompleteSearch: false,
      files: [{ kind: "drive#file", id: id("drive file", email), name: "notes.txt", mimeType: "text/plain" }],
    }),
  },
  {
    type: "google_search_console",
    host: "www.googleapis.com",
    path: "/webmasters/v3/sites",
    scopes: ["webmasters", "webmasters.readonly"],
    body: ({ org }) => ({ siteEntry: [{ siteUrl: `sc-domain:${org}.example`, permissionLevel: "siteOwner" }] }),
  },
  {
    type: "google_search_console",
    host: "searchconsole.googleapis.com",
    path: "/webmasters/v3/sites",
    scopes: ["webmasters", "webmasters.readonly"],
    body: ({ org }) => ({ siteEntry: [{ siteUrl: `sc-domain:${org}.example`, permissionLevel: "siteOwner" }] }),
  },
  {
    type: "googlesheets",
    host: "sheets.googleapis.com",
    path: "/v4/spreadsheets/:spreadsheet",
    scopes: SHEETS,
    body: (_, { spreadsheet }) => ({ spreadsheetId: spreadsheet ?? "", properties: { title: "Numbers" }, sheets: [] }),
  },
  {
    type: "googleslides",
    host: "slides.googleapis.com",
    path: "/v1/presentations/:presentation",
    scopes: SLIDES,
    body: (_, { presentation }) => ({ presentationId: presentation ?? "", title: "Deck", slides: [] }),
  },
  {
    type: "googlemeet",
    host: "meet.googleapis.com",
    path: "/v2/conferenceRecords",
    scopes: ["meetings.space.readonly", "meetings.space.created"],
    body: ({ org }) => ({ conferenceRecords: [{ name: `conferenceRecords/${id("meet", org)}`, space: "spaces/sim" }] }),
  },
  {
    type: "googletasks",
    host: "tasks.googleapis.com",
    path: "/tasks/v1/users/@me/lists",
    scopes: ["tasks", "tasks.readonly"],
    body: ({ email }) => ({
      kind: "tasks#taskLists",
      items: [{ kind: "tasks#taskList", id: id("tasks", email), title: "My Tasks" }],
    }),
  },
  {
    type: "googleads",
    host: "googleads.googleapis.com",
    path: "/:version/customers:listAccessibleCustomers",
    scopes: ["adwords"],
    body: ({ org }) => ({ resourceNames: [`customers/${id("ads", org)}`] }),
  },
];

const requireDeveloperToken = (incoming: Incoming) =>
  incoming.headers["developer-token"] === undefined
    ? apiError(401, "UNAUTHENTICATED", "required", "The developer-token header is missing.")
    : null;

export const serviceTypes: readonly string[] = [...new Set(services.map(({ type }) => type))];

export const serviceRoutes: readonly TokenRoute[] = services.map(
  ({ type, host, path, kind, method, scopes, body }) => ({
    hosts: [host],
    method: method ?? "GET",
    path,
    kind: kind ?? "resource",
    serves: [type],
    auth: "token",
    scopes: googleScopes(scopes),
    denied,
    ...(type === "googleads" ? { precheck: requireDeveloperToken } : {}),
    handle: ({ params }, { account }) => json(200, body(account, params)),
  }),
);
