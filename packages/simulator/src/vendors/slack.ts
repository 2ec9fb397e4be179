/**
 * Slack: bot tokens (`scope`, integration type slackbot) and user tokens (`user_scope`, type slack)
 * in one flow. https://docs.slack.dev/authentication/installing-with-oauth,
 * .../using-token-rotation
 *
 * Quirks: errors are HTTP 200 with `ok: false`. Scopes are separated by commas. The user's token is
 * under `authed_user` after the exchange, and at top level after a refresh. Without token rotation
 * (mode `rotate`) there is neither an expiry nor a refresh token.
 */
import { APP_ID, botId, botUserId, failed, slackRoutes, team, userId } from "../apis/slack.ts";
import { json } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import { bearer } from "../engine/http/incoming.ts";
import type {
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
import { randomLetters } from "../engine/values.ts";
import { capabilitiesOf } from "./kit.ts";

const DOCS = "https://docs.slack.dev";
const HOSTS = ["slack.com"];
const ROTATION_LIFE_S = 43_200;

const code = (error: string) => spec(200, error, error);

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

/** Returns the routes of a method that any token can call: GET and POST are the same. */
function method(name: string, kind: TokenRoute["kind"], handle: TokenRoute["handle"]): TokenRoute[] {
  const route = { hosts: HOSTS, path: `/api/${name}`, kind, auth: "token", denied, presented, handle } as const;
  return [
    { ...route, method: "GET" },
    { ...route, method: "POST" },
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
    ...method("auth.test", "identity", authTest),
    ...method("auth.revoke", "revoke", authRevoke),
    ...slackRoutes({ hosts: HOSTS, denied, presented }),
  ],
};
