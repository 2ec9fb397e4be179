/**
 * Returns the next events of the connected Google account's primary calendar.
 *
 * Body: none, or `{ "limit"?: 10 }`. Reply: `{ "events": [{ "id", "title", "start", "end" }] }`.
 * Scope: `https://www.googleapis.com/auth/calendar.events.readonly` (or a wider calendar scope).
 */
import { createClientFromRequest } from "npm:@holdfast/sdk";

const CALENDAR = "https://www.googleapis.com/calendar/v3/calendars/primary/events";

export default async function listCalendarEvents(req: Request): Promise<Response> {
  try {
    const { limit = 10 } = await readBody(req);
    const { connectors } = createClientFromRequest(req).asServiceRole;
    let { accessToken } = await connectors.getConnection("googlecalendar");
    let response = await listEvents(accessToken, limit);
    if (response.status === 401) {
      // Google revokes tokens early when a password changes. Report the rejected one to get
      // another.
      await response.body?.cancel();
      ({ accessToken } = await connectors.getConnection("googlecalendar", { rejected: accessToken }));
      response = await listEvents(accessToken, limit);
    }
    if (!response.ok) throw new Error(`Google Calendar returned ${response.status}: ${await reasonOf(response)}`);
    const { items = [] } = await response.json();
    return Response.json({ events: items.map(summaryOf) });
  } catch (error) {
    return failure(error);
  }
}

function listEvents(accessToken: string, limit: number): Promise<Response> {
  const url = new URL(CALENDAR);
  url.searchParams.set("timeMin", new Date().toISOString());
  url.searchParams.set("singleEvents", "true");
  url.searchParams.set("orderBy", "startTime");
  url.searchParams.set("maxResults", String(limit));
  return fetch(url, { headers: { Authorization: `Bearer ${accessToken}` } });
}

/** All-day events have `date`, others `dateTime`. */
function summaryOf({ id, summary, start, end }: any) {
  return {
    id,
    title: summary ?? null,
    start: start?.dateTime ?? start?.date ?? null,
    end: end?.dateTime ?? end?.date ?? null,
  };
}

async function reasonOf(response: Response): Promise<string> {
  const body = await response.json().catch(() => null);
  return body?.error?.message ?? response.statusText;
}

async function readBody(req: Request): Promise<{ limit?: number }> {
  const text = await req.text();
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    throw Object.assign(new Error("Send the body as JSON."), { status: 400 });
  }
}

function failure(error: any): Response {
  console.error("list-calendar-events:", error.code ?? "", error.message);
  return Response.json({ error: error.message, code: error.code ?? null }, { status: error.status || 502 });
}
