/**
 * Books a meeting in Google Calendar and invites the guest from Outlook.
 *
 * Body: `{ "title", "start", "minutes"?, "guest" }`. Reply: `{ "id", "status" }`. For signed-in
 * users.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.23";
import { z } from "npm:zod@^4";
import { callJson, failed, postJson, unauthorized } from "../../shared/http.ts";

const EVENTS = "https://www.googleapis.com/calendar/v3/calendars/primary/events";
const SEND_MAIL = "https://graph.microsoft.com/v1.0/me/sendMail";

const Meeting = z.object({
  title: z.string().min(1),
  start: z.string().datetime(),
  minutes: z.number().int().positive().default(30),
  guest: z.string().email(),
});

Deno.serve(async (req) => {
  try {
    const base44 = createClientFromRequest(req);
    const user = await base44.auth.me().catch(() => null);
    if (!user) return unauthorized();

    const parsed = Meeting.safeParse(await req.json());
    if (!parsed.success) {
      const fields = parsed.error.issues.map(({ path }) => path.join("."));
      return Response.json({ error: "Invalid meeting", fields }, { status: 400 });
    }
    const { title, start, minutes, guest } = parsed.data;
    const end = new Date(Date.parse(start) + minutes * 60_000).toISOString();

    const calendar = await base44.asServiceRole.connectors.getConnection("googlecalendar");
    const event = await postJson(EVENTS, calendar.accessToken, {
      summary: title,
      start: { dateTime: start },
      end: { dateTime: end },
    });
    const booked = await callJson(`${EVENTS}/${event.id}`, calendar.accessToken, {
      method: "PATCH",
      body: JSON.stringify({ description: `Booked by ${user.email}`, attendees: [{ email: guest }] }),
    });

    const outlook = await base44.asServiceRole.connectors.getConnection("outlook");
    await postJson(SEND_MAIL, outlook.accessToken, {
      message: {
        subject: `Invitation: ${title}`,
        body: { contentType: "Text", content: `We meet on ${start}.` },
        toRecipients: [{ emailAddress: { address: guest } }],
      },
    });
    return Response.json({ id: booked.id, status: booked.status });
  } catch (error) {
    return failed("book-meeting", error);
  }
});
