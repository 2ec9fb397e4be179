/**
 * Discord. https://docs.discord.com/developers/topics/oauth2 (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636. Revoking one token revokes every token of that user for the app.
 * With the scope webhook.incoming the response also holds a webhook with its secret URL, which is
 * not stored.
 */
import { defineProvider } from "../provider.ts";

export const discord = defineProvider({
  id: "discord",
  display_name: "Discord",
  description: "Identity, servers and linked data of a Discord user.",
  vendor: "discord",
  docs_url: "https://docs.discord.com/developers/topics/oauth2",
  registration: {
    url: "https://discord.com/developers/applications",
    notes: ["Add the redirect URI under OAuth2. http://localhost is accepted."],
  },
  traps: [
    "This token acts as the user. A bot acts with the app's bot token instead.",
    "The response is the same for a revoked grant, a banned user and an expired token.",
  ],
  authorization_url: "https://discord.com/oauth2/authorize",
  token_url: "https://discord.com/api/oauth2/token",
  client_auth: "client_secret_basic",
  default_scopes: ["identify", "email"],
  // The account is read from users/@me.
  required_scopes: ["identify"],
  common_scopes: [
    { scope: "identify", meaning: "user profile without email" },
    { scope: "email", meaning: "adds the email address" },
    { scope: "guilds", meaning: "list the user's servers" },
    { scope: "guilds.members.read", meaning: "read own member data in a server" },
    { scope: "guilds.join", meaning: "add the user to a server (with a bot)" },
    { scope: "connections", meaning: "linked third-party accounts" },
    { scope: "bot", meaning: "adds the app's bot to a server" },
    { scope: "applications.commands", meaning: "adds slash commands" },
    { scope: "webhook.incoming", meaning: "creates a channel webhook, returned in the token response" },
    { scope: "role_connections.write", meaning: "write linked-role metadata" },
  ],
  lifetime: {
    access_s: 604_800,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  derived_config: [{ name: "guild_id", from: "token", path: "guild.id", pattern: "^\\d{15,22}$" }],
  identity: {
    from: "request",
    request: { method: "GET", url: "https://discord.com/api/v10/users/@me" },
    account: { id: "id", label: "username", email: "email" },
  },
  health: { method: "GET", url: "https://discord.com/api/v10/oauth2/@me" },
  revocation: {
    kind: "rfc7009",
    url: "https://discord.com/api/oauth2/token/revoke",
    token: "refresh_token",
    client_auth: true,
    kills_grant: true,
  },
  hosts: [{ name: "api", base_url: "https://discord.com/api/v10", request_headers: ["x-audit-log-reason"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://github.com/discord/discord-api-docs/blob/main/developers/topics/oauth2.mdx",
    "https://docs.discord.com/developers/topics/oauth2",
  ],
  unverified: [
    "lifetime.refresh: the vendor's example shows a new refresh token, not the effect on the old one; send one twice",
    "identity: paths from memory; make one call",
  ],
});
