/**
 * The APIs behind Google's one authorization server, except Calendar: one or two calls of each,
 * with their scopes. https://developers.google.com/workspace
 *
 * Quirks: Docs, Sheets and Slides have no list call, and return a document by its id. Google Ads
 * requires a `developer-token` header. Unverified: Ads, Meet and Tasks, which are from memory.
 */
import { docsRoutes } from "../apis/google/docs.ts";
import { driveRoutes, driveUser } from "../apis/google/drive.ts";
import { gmailRoutes } from "../apis/google/gmail.ts";
import { sheetsRoutes } from "../apis/google/sheets.ts";
import { slidesRoutes } from "../apis/google/slides.ts";
import { json } from "../engine/reply.ts";
import type { Account, Incoming, Json, TokenRoute } from "../engine/types.ts";
import { stableNumber } from "../engine/values.ts";
import { apiError, denied, googleScopes } from "../apis/google/common.ts";

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

const id = (space: string, value: string): string => String(stableNumber(space, value));

const services: readonly Service[] = [
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
    type: "googledrive",
    host: "www.googleapis.com",
    path: "/drive/v3/about",
    kind: "identity",
    scopes: DRIVE,
    body: (account) => ({ user: driveUser(account) }),
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

/** Gmail, Drive, Docs, Sheets and Slides keep state. */
const STATEFUL = [...gmailRoutes, ...driveRoutes, ...docsRoutes, ...sheetsRoutes, ...slidesRoutes];

export const serviceTypes: readonly string[] = [
  ...new Set([...STATEFUL.flatMap(({ serves }) => serves ?? []), ...services.map(({ type }) => type)]),
];

export const serviceRoutes: readonly TokenRoute[] = [
  ...STATEFUL,
  ...services.map(({ type, host, path, kind, method, scopes, body }): TokenRoute => ({
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
  })),
];
