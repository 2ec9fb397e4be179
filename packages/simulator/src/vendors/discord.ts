/**
 * Discord. https://docs.discord.com/developers/topics/oauth2
 *
 * Quirks: form bodies only. Scope `bot` adds `guild` to the reply, and `webhook.incoming` adds a
 * webhook with its own secret. Revoking one token ends all grants of that user to the application.
 * The API requires a User-Agent. Unverified: that reusing a refresh token ends the grant (assumed
 * single-use), and the reply without a User-Agent.
 */
import { json, text } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import type { Account, Incoming, IssueContext, JsonObject, Reply } from "../engine/types.ts";
import { person, randomLetters, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://docs.discord.com/developers/topics/oauth2";
const HOSTS = ["discord.com"];

const snowflake = (space: string, value: string): string =>
  `1${stableNumber(space, value)}${stableNumber(`${space} low`, value)}`.padEnd(18, "0").slice(0, 18);

const guild = ({ org }: Account): JsonObject => ({ id: snowflake("discord guild", org), name: org, icon: null });

function successBody(context: IssueContext): JsonObject {
  const scopes = context.issued[0]?.scopes ?? [];
  const id = snowflake("discord webhook", context.account.org);
  const token = randomLetters(68);
  const webhook = { application_id: snowflake("discord app", context.client_id), id, token, type: 1, name: "Holdfast" };
  return {
    ...tokenBody(context, " ", "Bearer"),
    guild: context.leg === "exchange" && scopes.includes("bot") ? guild(context.account) : undefined,
    webhook:
      context.leg === "exchange" && scopes.includes("webhook.incoming")
        ? {
            ...webhook,
            url: `https://discord.com/api/webhooks/${id}/${token}`,
            channel_id: id,
            guild_id: guild(context.account)["id"],
          }
        : undefined,
  };
}

function precheck(incoming: Incoming): Reply | null {
  return (incoming.headers["user-agent"] ?? "") === "" ? text(403, "error code: 1010") : null;
}

const denied = denyWith((problem) =>
  problem === "scope" ? { message: "Missing Access", code: 50001 } : { message: "401: Unauthorized", code: 0 },
);

const api = defineApi({ hosts: HOSTS, denied, precheck });

const user = (account: Account, scopes: readonly string[]): JsonObject => ({
  id: snowflake("discord", account.email),
  username: account.name,
  global_name: person(account).full,
  discriminator: "0",
  avatar: null,
  email: scopes.includes("email") ? account.email : undefined,
  verified: scopes.includes("email") ? true : undefined,
});

export const discord = defineVendor({
  id: "discord",
  name: "Discord",
  capabilities: capabilitiesOf(DOCS),
  authorize: {
    hosts: HOSTS,
    path: ["/oauth2/authorize", "/api/oauth2/authorize"],
    response_type_required: true,
    scope_required: true,
    pkce: "supported",
    callback: ({ scopes, account, query }): Readonly<Record<string, string>> =>
      scopes.includes("bot")
        ? { guild_id: snowflake("discord guild", account.org), permissions: query.get("permissions") ?? "0" }
        : {},
    denied: { error_description: "The resource owner or authorization server denied the request" },
  },
  token: {
    hosts: HOSTS,
    path: "/api/oauth2/token",
    client_auth: ["basic", "post"],
    life: expiring(604_800, { rotates: true }),
    errors: errorTable({
      bad_secret: spec(401, "invalid_client", "Invalid client."),
      bad_code: spec(400, "invalid_grant", 'Invalid "code" in request.'),
      bad_refresh: spec(400, "invalid_grant", "Invalid refresh token."),
      used_refresh: spec(400, "invalid_grant", "Invalid refresh token."),
      revoked_refresh: spec(400, "invalid_grant", "Invalid refresh token."),
    }),
    newCode: () => randomLetters(30),
    newAccessToken: () => randomLetters(30),
    newRefreshToken: () => randomLetters(30),
    successBody,
  },
  routes: [
    revocation({
      hosts: HOSTS,
      path: "/api/oauth2/token/revoke",
      client_auth: ["basic", "post"],
      reach: "account",
      success: () => json(200, {}),
    }),
    api("GET", "identity", "/api/v10/users/@me", ({ account, scopes }) => user(account, scopes), ["identify"]),
    api("GET", "other", "/api/v10/oauth2/@me", ({ account, scopes, client_id, expires_in }, { now }) => ({
      application: { id: snowflake("discord app", client_id), name: "Holdfast", icon: null, bot_public: true },
      scopes,
      expires: new Date(now + (expires_in ?? 0) * 1000).toISOString(),
      user: scopes.includes("identify") ? user(account, []) : undefined,
    })),
    api(
      "GET",
      "resource",
      "/api/v10/users/@me/guilds",
      ({ account }) => [{ ...guild(account), owner: true, permissions: "2147483647", features: [] }],
      ["guilds"],
    ),
  ],
});
