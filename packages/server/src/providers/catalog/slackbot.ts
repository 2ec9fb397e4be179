/**
 * Slack, acting as the app's bot (xoxb token).
 * https://docs.slack.dev/authentication/installing-with-oauth (checked 2026-11-23)
 *
 * There is one bot per workspace and app. Connecting the same workspace again returns the same bot,
 * so the account is the workspace.
 */
import { defineProvider } from "../provider.ts";
import { authTest, slackFamily } from "./families/slack.ts";

export const slackbot = defineProvider({
  ...slackFamily,
  id: "slackbot",
  display_name: "Slack Bot",
  description: "Act in Slack as the app's bot user.",
  default_scopes: ["chat:write", "channels:read"],
  common_scopes: [
    { scope: "chat:write", meaning: "post as the bot where it is a member" },
    { scope: "chat:write.public", meaning: "post in any public channel" },
    { scope: "chat:write.customize", meaning: "post with another name and icon" },
    { scope: "channels:read", meaning: "list public channels" },
    { scope: "channels:history", meaning: "read public channels the bot is in" },
    { scope: "channels:join", meaning: "join public channels" },
    { scope: "groups:read", meaning: "list private channels the bot is in" },
    { scope: "im:write", meaning: "open direct messages" },
    { scope: "users:read", meaning: "list users" },
    { scope: "users:read.email", meaning: "email addresses of users" },
    { scope: "files:write", meaning: "upload files" },
    { scope: "app_mentions:read", meaning: "see mentions" },
  ],
  identity: { from: "request", request: authTest, account: { id: "team_id", label: "team", email: null } },
});
