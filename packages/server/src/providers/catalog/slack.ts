/**
 * Slack, acting as the user who connects (xoxp token).
 * https://docs.slack.dev/authentication/installing-with-oauth (checked 2026-11-23)
 *
 * Differs from the family: scopes go in `user_scope`, and the token is under `authed_user` (RFC
 * 6749 §5.1). A refresh response has it at the top level.
 */
import { defineProvider } from "../provider.ts";
import { authTest, slackFamily } from "./families/slack.ts";

export const slack = defineProvider({
  ...slackFamily,
  id: "slack",
  display_name: "Slack User",
  description: "Act in Slack as the user who connects.",
  scope_param: "user_scope",
  default_scopes: ["channels:read", "chat:write", "users:read"],
  common_scopes: [
    { scope: "channels:read", meaning: "list public channels" },
    { scope: "channels:history", meaning: "read public channel messages" },
    { scope: "groups:history", meaning: "read private channels the user is in" },
    { scope: "im:history", meaning: "read direct messages" },
    { scope: "chat:write", meaning: "post as the user" },
    { scope: "users:read", meaning: "list users" },
    { scope: "users:read.email", meaning: "email addresses of users" },
    { scope: "files:read", meaning: "read files" },
    { scope: "files:write", meaning: "upload files" },
    { scope: "reactions:write", meaning: "add reactions" },
    { scope: "search:read", meaning: "search messages and files" },
  ],
  identity: { from: "request", request: authTest, account: { id: "user_id", label: "user", email: null } },
  deviations: [{ name: "nested_token", key: "authed_user" }, ...slackFamily.deviations],
  unverified: [
    ...slackFamily.unverified,
    "deviations: position of a refreshed user token in the response; refresh once with rotation on",
  ],
});
