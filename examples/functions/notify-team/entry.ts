/**
 * Posts to the team's Slack channel and mentions a member.
 *
 * Body: `{ "email", "text" }`. Reply: `{ "channel", "from" }`. Secret: SLACK_CHANNEL. Called by
 * other functions, with or without a user.
 */
import { createClientFromRequest } from "npm:@base44/sdk";
import { failed } from "../../shared/http.ts";
import { postToChannel, slack } from "../../shared/slack.ts";

Deno.serve(async (req) => {
  try {
    const base44 = createClientFromRequest(req);
    const user = await base44.auth.me().catch(() => null);
    const from = user?.email ?? "an automation";
    const { email, text } = await req.json();

    const { accessToken } = await base44.asServiceRole.connectors.getConnection("slack");
    const member = await slack("users.lookupByEmail", accessToken, { email });
    const channel = Deno.env.get("SLACK_CHANNEL") ?? "general";
    const posted = await postToChannel(accessToken, channel, `${text} (${from}, for <@${member.user.id}>)`);
    return Response.json({ channel: posted.channel, from });
  } catch (error) {
    return failed("notify-team", error);
  }
});
