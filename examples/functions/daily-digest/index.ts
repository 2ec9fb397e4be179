/**
 * Posts the next meetings of Google Calendar to Slack, every working day at seven.
 *
 * Body: the automation's `function_args`, `{ "channel": "random" }`. Runs without a user.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.20";
import { callJson, failed } from "../../shared/http.ts";
import { postToChannel } from "../../shared/slack.ts";

const EVENTS = "https://www.googleapis.com/calendar/v3/calendars/primary/events";

Deno.serve(async (req) => {
  try {
    const base44 = createClientFromRequest(req);
    const { channel = "general" } = await req.json().catch(() => ({}));
    const { connectors } = base44.asServiceRole;

    const calendar = await connectors.getConnection("googlecalendar");
    const query = new URLSearchParams({
      timeMin: new Date().toISOString(),
      singleEvents: "true",
      orderBy: "startTime",
    });
    const { items } = await callJson(`${EVENTS}?${query}`, calendar.accessToken);
    const lines = items.map(({ summary, start }) => `• ${summary} (${start.dateTime ?? start.date})`);

    const slack = await connectors.getConnection("slack");
    await postToChannel(slack.accessToken, channel, ["Next meetings:", ...lines].join("\n"));
    console.log(`Posted ${items.length} meetings to #${channel}.`);
    return Response.json({ success: true, meetings: items.length });
  } catch (error) {
    return failed("daily-digest", error);
  }
});
