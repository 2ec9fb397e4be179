/**
 * Slack: bot tokens (`scope`, integration type slackbot) and user tokens (`user_scope`, type slack)
 * in one flow. https://docs.slack.dev/authentication/installing-with-oauth,
 * .../using-token-rotation
 *
 * Quirks: errors are HTTP 200 with `ok: false`. Scopes are separated by commas. The user's token is
 * under `authed_user` after the exchange, and at top level after a refresh. Without token rotation
 * (mode `rotate`) there is neither an expiry nor a refresh token.
 */
import { json } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import { bearer } from "../engine/http/incoming.ts";
import type {
  Account,
  Caller,
  Incoming,
  IssueContext,
  Issued,
  JsonObject,
  Reply,
  RouteContext,
  TokenProblem,
  TokenRoute,
  Vendor,
} from "../engine/types.ts";
import { DEFAULT_ORG, randomLetters, stableId } from "../engine/values.ts";
import { capabilitiesOf } from "./kit.ts";

const DOCS = "https://docs.slack.dev";
const HOSTS = ["slack.com"];
const APP_ID = "A0SIMAPP01";
const ROTATION_LIFE_S = 43_200;

const failed = (error: string, more: JsonObject = {}): Reply => json(200, { ok: false, error, ...more });
const code = (error: string) => spec(200, error, error);

function team({ org }: Account): { readonly id: string; readonly name: string } {
  const id = org === DEFAULT_ORG ? "T0SIMTEAM1" : `T0SIM${stableId("slack team", org, 6)}`;
  return { id, name: org === DEFAULT_ORG ? "Acme" : org };
}

const userId = (account: Account): string => `U0SIM${stableId("slack user", account.email, 6)}`;
const botUserId = (account: Account): string => `U0BOT${stableId("slack bot user", account.org, 6)}`;
const botId = (account: Account): string => `B0SIM${stableId("slack bot", account.org, 6)}`;

function tokenMembers(issued: Issued): JsonObject {
  return {
    scope: issued.scopes.join(","),
    access_token: issued.access_token,
    token_type: issued.label,
    refresh_token: issued.refresh_token,
    expires_in: issued.expires_in,
  };
}

function successBody({ leg, issued, account }: IssueContext): JsonObject {
  const bot = issued.find(({ label }) => label === "bot");
  const user = issued.find(({ label }) => label === "user");
  const installation = { app_id: APP_ID, team: team(account), enterprise: null, is_enterprise_install: false };
  if (leg === "refresh" && user !== undefined) {
    return { ok: true, ...installation, ...tokenMembers(user), user_id: userId(account) };
  }
  const authed_user = { id: userId(account), ...(user === undefined ? {} : tokenMembers(user)) };
  const top = bot === undefined ? {} : { ...tokenMembers(bot), bot_user_id: botUserId(account) };
  return { ok: true, ...installation, authed_user, ...top };
}

const PROBLEMS: Readonly<Record<TokenProblem, string>> = {
  missing: "not_authed",
  invalid: "invalid_auth",
  expired: "token_expired",
  revoked: "token_revoked",
  scope: "missing_scope",
};

function denied(problem: TokenProblem, needed: readonly string[], held: readonly string[]): Reply {
  return failed(PROBLEMS[problem], problem === "scope" ? { needed: needed.join(","), provided: held.join(",") } : {});
}

const presented = (incoming: Incoming): string | null => bearer(incoming) ?? incoming.fields.get("token") ?? null;

type Method = Pick<TokenRoute, "kind" | "handle"> & { readonly scopes?: readonly string[] };

/** Returns the routes of a Web API method: GET and POST are the same. */
function method(name: string, { kind, handle, scopes }: Method): TokenRoute[] {
  const route = { hosts: HOSTS, path: `/api/${name}`, kind, auth: "token", denied, presented, handle } as const;
  const limited = scopes === undefined ? route : { ...route, scopes };
  return [
    { ...limited, method: "GET" },
    { ...limited, method: "POST" },
  ];
}

function authTest(_: RouteContext, { account, label }: Caller): Reply {
  const { id: team_id, name } = team(account);
  const bot = { user: "holdfast", user_id: botUserId(account), bot_id: botId(account) };
  const caller = label === "bot" ? bot : { user: account.name, user_id: userId(account) };
  const url = `https://${account.org.replaceAll(".", "-")}.slack.com/`;
  return json(200, { ok: true, url, team: name, ...caller, team_id, is_enterprise_install: false });
}

function authRevoke({ incoming, revokeToken }: RouteContext): Reply {
  if (incoming.fields.get("test") === "true") return json(200, { ok: true, revoked: false });
  return json(200, { ok: true, revoked: revokeToken(presented(incoming) ?? "", "token") !== null });
}

const CHANNELS = [
  { id: "C0SIMGENER", name: "general" },
  { id: "C0SIMRANDO", name: "random" },
];

const findChannel = (given: string | undefined) =>
  CHANNELS.find(({ id, name }) => given === id || given === name || given === `#${name}`);

function postMessage({ incoming, now, listCreated, addCreated }: RouteContext, { account, label }: Caller): Reply {
  const channel = findChannel(incoming.fields.get("channel"))?.id;
  if (channel === undefined) return failed("channel_not_found");
  const written = incoming.fields.get("text") ?? "";
  if (written === "" && incoming.json["blocks"] === undefined) return failed("no_text");
  const ts = `${Math.floor(now / 1000)}.${String(listCreated(channel, account).length + 1).padStart(6, "0")}`;
  const user = label === "bot" ? botUserId(account) : userId(account);
  const message = { type: "message", user, text: written, ts, team: team(account).id };
  addCreated(channel, account, message);
  return json(200, { ok: true, channel, ts, message });
}

function history({ incoming, listCreated }: RouteContext, { account }: Caller): Reply {
  const channel = findChannel(incoming.fields.get("channel") ?? incoming.query.get("channel") ?? undefined);
  if (channel === undefined) return failed("channel_not_found");
  return json(200, { ok: true, messages: listCreated(channel.id, account).toReversed(), has_more: false });
}

export const slack: Vendor = {
  id: "slack",
  name: "Slack",
  serves: ["slack", "slackbot"],
  capabilities: capabilitiesOf(`${DOCS}/authentication/installing-with-oauth`, {
    refresh: `${DOCS}/authentication/using-token-rotation`,
    rotate: `${DOCS}/authentication/using-token-rotation`,
    identity: `${DOCS}/reference/methods/auth.test`,
    health: `${DOCS}/reference/methods/auth.test`,
    revoke: `${DOCS}/reference/methods/auth.revoke`,
  }),
  authorize: {
    hosts: HOSTS,
    path: "/oauth/v2/authorize",
    scope_lists: [
      { label: "bot", param: "scope", separator: "," },
      { label: "user", param: "user_scope", separator: "," },
    ],
    scope_required: true,
    pkce: "ignored",
    offline: ({ modes }) => modes.has("rotate"),
  },
  token: {
    hosts: HOSTS,
    path: "/api/oauth.v2.access",
    client_auth: ["basic", "post"],
    body: ["form"],
    code_life_s: 600,
    redirect_uri_required: true,
    grant_type_optional: true,
    errors: errorTable({
      no_client: code("invalid_client_id"),
      no_secret: code("bad_client_secret"),
      bad_secret: code("bad_client_secret"),
      wrong_auth_method: code("bad_client_secret"),
      wrong_body: code("invalid_arguments"),
      bad_grant_type: code("invalid_grant_type"),
      bad_code: code("invalid_code"),
      used_code: code("code_already_used"),
      expired_code: code("invalid_code"),
      wrong_redirect: code("bad_redirect_uri"),
      bad_refresh: code("invalid_refresh_token"),
      used_refresh: code("invalid_refresh_token"),
      expired_refresh: code("token_expired"),
      revoked_refresh: code("token_revoked"),
      rate_limited: spec(429, "ratelimited", "ratelimited"),
      try_later: code("internal_error"),
    }),
    errorBody: ({ error }) => ({ ok: false, error }),
    policy: (modes) => ({
      access_life_s: modes.has("rotate") ? ROTATION_LIFE_S : null,
      announces_expiry: modes.has("rotate"),
      rotates: modes.has("rotate"),
      old_access_dies: false,
      refresh_life_s: null,
    }),
    newCode: () => `${randomLetters(12)}.${randomLetters(13)}.${randomLetters(40)}`,
    newAccessToken: (label, policy) => {
      const kind = label === "bot" ? "xoxb" : "xoxp";
      return policy.rotates ? `xoxe.${kind}-1-${randomLetters(120)}` : `${kind}-${randomLetters(50)}`;
    },
    newRefreshToken: () => `xoxe-1-${randomLetters(120)}`,
    successBody,
  },
  routes: [
    ...method("auth.test", { kind: "identity", handle: authTest }),
    ...method("auth.revoke", { kind: "revoke", handle: authRevoke }),
    ...method("chat.postMessage", { kind: "resource", scopes: ["chat:write"], handle: postMessage }),
    ...method("conversations.history", { kind: "resource", scopes: ["channels:history"], handle: history }),
    ...method("conversations.list", {
      kind: "resource",
      scopes: ["channels:read", "groups:read", "im:read", "mpim:read"],
      handle: () => json(200, { ok: true, channels: CHANNELS, response_metadata: { next_cursor: "" } }),
    }),
  ],
};
