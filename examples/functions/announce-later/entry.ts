/**
 * Replies at once, and posts to Slack afterwards.
 *
 * Body: `{ "text" }`. Reply: `{ "same", "greeting", "missing" }`. Secrets: GREETING, SLACK_CHANNEL.
 */
import { createClientFromRequest } from "npm:@base44/sdk@0.8.50";
import { secrets, waitUntil } from "base44:runtime";
import { postToChannel } from "../../shared/slack.ts";

const GREETING = secrets.get("GREETING");

Deno.serve({
  port: 8000,
  handler: async (req) => {
    const { text } = await req.json();
    const { asServiceRole } = createClientFromRequest(req);
    const posted = announce(asServiceRole.connectors, `${GREETING}: ${text}`);
    const same = waitUntil(posted) === posted;
    const greeting = GREETING === Deno.env.get("GREETING") ? GREETING : null;
    return Response.json({ same, greeting, missing: secrets.get("NO_SUCH_SECRET") === undefined });
  },
});

async function announce(connectors: any, text: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  const { accessToken } = await connectors.getConnection("slack");
  await postToChannel(accessToken, secrets.get("SLACK_CHANNEL") ?? "general", text);
}
