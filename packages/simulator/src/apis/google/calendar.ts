/**
 * Google Calendar: the calendar list, and the events of the user's own calendar.
 * https://developers.google.com/workspace/calendar/api/v3/reference (shapes in
 * recorded/googlecalendar.json)
 *
 * Simplified: only the primary calendar exists, in UTC. A recurring event is one event. A deleted
 * event is not found, where Google returns it as cancelled.
 */
import { empty, json } from "../../engine/reply.ts";
import type { Collection, Objects, Stored } from "../../engine/objects.ts";
import type { Account, Caller, JsonObject, Reply, RouteContext, TokenRoute } from "../../engine/types.ts";
import { isObject, stableUuid } from "../../engine/values.ts";
import { at, iso, isoSeconds, object, objects, pageOf, pick, sizeOf, text, type Handler } from "../kit/endpoints.ts";
import { googleEndpoints, listedError } from "./common.ts";

const events: Collection = {
  name: "events",
  newId: (owner, n) => stableUuid("google event", `${owner} ${n}`).replaceAll("-", ""),
};

/** The members that a caller can set. All others are computed. */
const WRITABLE = (
  "summary description location start end attendees reminders recurrence colorId transparency " +
  "visibility extendedProperties source status eventType guestsCanModify guestsCanInviteOthers " +
  "guestsCanSeeOtherGuests anyoneCanAddSelf"
).split(" ");

const unknownCalendar = (): Reply => listedError(404, "notFound", "Not Found");
const badRequest = (reason: string, message: string): Reply => listedError(400, reason, message);

const isOwn = (calendar: string | undefined, { email }: Account): boolean =>
  calendar === "primary" || calendar === email;

/** Returns the instant of `{ dateTime }` or `{ date }`, or NaN. Without an offset it is UTC. */
function instantOf(value: JsonObject): number {
  const date_time = text(value["dateTime"]);
  if (date_time === "") return Date.parse(text(value["date"]));
  return Date.parse(/(?:z|[+-]\d\d:?\d\d)$/i.test(date_time) ? date_time : `${date_time}Z`);
}

const startOf = ({ data }: Stored): number => instantOf(object(data["start"]));
const endOf = ({ data }: Stored): number => instantOf(object(data["end"]));

/** Returns why Google refuses the times of an event, or null. */
function timeProblem(data: JsonObject): Reply | null {
  for (const name of ["start", "end"]) {
    if (!isObject(data[name])) return badRequest("required", `Missing ${name} time.`);
    if (Number.isNaN(instantOf(data[name]))) return badRequest("invalid", `Invalid ${name} time.`);
  }
  const is_empty = instantOf(object(data["end"])) < instantOf(object(data["start"]));
  return is_empty ? badRequest("timeRangeEmpty", "The specified time range is empty.") : null;
}

function render({ id, data, created_at, changed_at }: Stored, { email }: Account): JsonObject {
  const self = { email, self: true };
  return {
    kind: "calendar#event",
    etag: `"${changed_at}"`,
    id,
    status: "confirmed",
    htmlLink: `https://www.google.com/calendar/event?eid=${Buffer.from(`${id} ${email}`).toString("base64url")}`,
    created: isoSeconds(created_at),
    updated: iso(changed_at),
    ...data,
    creator: self,
    organizer: self,
    iCalUID: `${id}@google.com`,
    sequence: 0,
    reminders: data["reminders"] ?? { useDefault: true },
    eventType: data["eventType"] ?? "default",
  };
}

/** Returns the conference that Google adds when a caller requests one, or nothing. */
function conference(body: JsonObject, query: URLSearchParams): JsonObject {
  const request = at(body, ["conferenceData", "createRequest"]);
  if (query.get("conferenceDataVersion") !== "1" || !isObject(request)) return {};
  const id = stableUuid("google meet", text(request["requestId"]))
    .replaceAll(/[^a-z]/g, "x")
    .slice(0, 10);
  const code = `${id.slice(0, 3)}-${id.slice(3, 7)}-${id.slice(7)}`;
  const uri = `https://meet.google.com/${code}`;
  const solution = { key: { type: "hangoutsMeet" }, name: "Google Meet" };
  const entryPoints = [{ entryPointType: "video", uri, label: uri.slice(8) }];
  const createRequest = { ...request, status: { statusCode: "success" } };
  const conferenceData = { createRequest, entryPoints, conferenceSolution: solution, conferenceId: code };
  return { hangoutLink: uri, conferenceData };
}

/** Returns the members that a body sets. Attendees have not responded yet. */
function written(body: JsonObject, query: URLSearchParams): JsonObject {
  const data = { ...pick(body, WRITABLE), ...conference(body, query) };
  if (data["attendees"] === undefined) return data;
  return {
    ...data,
    attendees: objects(data["attendees"]).map((one) => ({ responseStatus: "needsAction", ...one })),
  };
}

type InCalendar = (context: RouteContext, caller: Caller, all: Objects) => Reply;

/** Runs a call in the caller's own calendar. */
const inCalendar =
  (handle: InCalendar): Handler =>
  (context, caller) =>
    isOwn(context.params["calendar"], caller.account)
      ? handle(context, caller, context.objects(events, caller.account.email))
      : unknownCalendar();

/** Runs a call on an event that exists. */
const onEvent = (handle: (context: RouteContext, caller: Caller, all: Objects, found: Stored) => Reply): Handler =>
  inCalendar((context, caller, all) => {
    const found = all.get(context.params["event"] ?? "");
    return found === undefined ? unknownCalendar() : handle(context, caller, all, found);
  });

/** Returns an instant of the query, null if it is absent, NaN if it has no offset. */
function instantIn(query: URLSearchParams, name: string): number | null {
  const given = query.get(name);
  if (given === null) return null;
  return /T.*(?:z|[+-]\d\d:\d\d)$/i.test(given) ? Date.parse(given) : NaN;
}

const matches = ({ data }: Stored, words: string): boolean =>
  [data["summary"], data["description"], data["location"]].some((value) =>
    text(value).toLowerCase().includes(words.toLowerCase()),
  );

const list = inCalendar(({ incoming: { query } }, { account }, all) => {
  const [from, to] = [instantIn(query, "timeMin"), instantIn(query, "timeMax")];
  const size = sizeOf(query.get("maxResults"), 250, 2500);
  if (Number.isNaN(from) || Number.isNaN(to) || size === null) return badRequest("badRequest", "Bad Request");
  const by_start = query.get("orderBy") === "startTime";
  if (by_start && query.get("singleEvents") !== "true") {
    return badRequest("badRequest", "The requested ordering is not available for the particular query.");
  }
  const found = all
    .list()
    .filter((one) => (from === null || endOf(one) > from) && (to === null || startOf(one) < to))
    .filter((one) => matches(one, query.get("q") ?? ""));
  const sorted = by_start ? found.toSorted((one, other) => startOf(one) - startOf(other)) : found;
  const page = pageOf(sorted, size, query.get("pageToken"));
  if (page === null) return badRequest("invalid", "Invalid page token value.");
  const updated = Math.max(0, ...all.list().map(({ changed_at }) => changed_at));
  return json(200, {
    kind: "calendar#events",
    etag: `"${updated}"`,
    summary: account.email,
    updated: iso(updated),
    timeZone: "UTC",
    accessRole: "owner",
    defaultReminders: [{ method: "popup", minutes: 30 }],
    nextPageToken: page.next ?? undefined,
    items: page.items.map((one) => render(one, account)),
  });
});

const insert = inCalendar(({ incoming }, { account }, all) => {
  const data = written(incoming.json, incoming.query);
  return timeProblem(data) ?? json(200, render(all.add({ data }), account));
});

const get = onEvent((_, { account }, __, found) => json(200, render(found, account)));

const patch = onEvent(({ incoming }, { account }, all, found) => {
  const data = { ...found.data, ...written(incoming.json, incoming.query) };
  return timeProblem(data) ?? json(200, render(all.replace(found.id, data), account));
});

const update = onEvent(({ incoming }, { account }, all, found) => {
  const data = written(incoming.json, incoming.query);
  return timeProblem(data) ?? json(200, render(all.replace(found.id, data), account));
});

const remove = onEvent((_, __, all, found) => {
  all.remove(found.id);
  return empty(204);
});

const entry = ({ email }: Account): JsonObject => ({ id: email, summary: email, timeZone: "UTC" });

const calendarList: Handler = (_, { account }) => {
  const item = { kind: "calendar#calendarListEntry", etag: '"1"', ...entry(account), selected: true };
  const items = [{ ...item, accessRole: "owner", defaultReminders: [{ method: "popup", minutes: 30 }], primary: true }];
  return json(200, { kind: "calendar#calendarList", etag: '"1"', items });
};

const calendar: Handler = ({ params }, { account }) =>
  isOwn(params["calendar"], account)
    ? json(200, { kind: "calendar#calendar", etag: '"1"', ...entry(account) })
    : unknownCalendar();

const freeBusy: Handler = ({ incoming, objects: stored }, { account }) => {
  const [from, to] = [Date.parse(text(incoming.json["timeMin"])), Date.parse(text(incoming.json["timeMax"]))];
  if (Number.isNaN(from) || Number.isNaN(to)) return badRequest("required", "Missing timeMin or timeMax parameter.");
  const all = stored(events, account.email).list();
  const overlapping = all.filter((one) => endOf(one) > from && startOf(one) < to);
  const busy = overlapping.map((one) => ({ start: isoSeconds(startOf(one)), end: isoSeconds(endOf(one)) }));
  const calendars = objects(incoming.json["items"]).map(({ id }): [string, JsonObject] => {
    const name = text(id);
    const known = isOwn(name, account);
    return [name, known ? { busy } : { errors: [{ domain: "global", reason: "notFound" }], busy: [] }];
  });
  const times = { timeMin: iso(from), timeMax: iso(to) };
  return json(200, { kind: "calendar#freeBusy", ...times, calendars: Object.fromEntries(calendars) });
};

const HOST = "www.googleapis.com";
const WRITE = ["calendar", "calendar.events", "calendar.events.owned"];
const READ = [...WRITE, "calendar.readonly", "calendar.events.readonly"];
const READ_LIST = ["calendar", "calendar.readonly", "calendar.calendarlist", "calendar.calendarlist.readonly"];
const EVENTS = "/calendar/v3/calendars/:calendar/events";

export const calendarRoutes: readonly TokenRoute[] = [
  ...googleEndpoints("googlecalendar", HOST, READ_LIST, { "GET /calendar/v3/users/me/calendarList": calendarList }),
  ...googleEndpoints("googlecalendar", HOST, [...READ, "calendar.freebusy"], {
    "GET /calendar/v3/calendars/:calendar": calendar,
    "POST /calendar/v3/freeBusy": freeBusy,
  }),
  ...googleEndpoints("googlecalendar", HOST, READ, { [`GET ${EVENTS}`]: list, [`GET ${EVENTS}/:event`]: get }),
  ...googleEndpoints("googlecalendar", HOST, WRITE, {
    [`POST ${EVENTS}`]: insert,
    [`PATCH ${EVENTS}/:event`]: patch,
    [`PUT ${EVENTS}/:event`]: update,
    [`DELETE ${EVENTS}/:event`]: remove,
  }),
];
