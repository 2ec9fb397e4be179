/**
 * GitHub, both kinds of app. An OAuth App gets tokens that never expire, and no refresh token. Mode
 * `rotate` simulates a GitHub App with expiring user tokens: 8 h, and single-use refresh tokens of
 * six months. A refresh ends the old access token.
 * https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 *
 * Quirks: errors have HTTP 200. The reply is form-encoded unless Accept names JSON. Granted scopes
 * are a comma-separated list, empty for a GitHub App. The API refuses requests without User-Agent.
 * Revocation is a DELETE.
 */
import { loginOf, message, owner } from "../apis/github/common.ts";
import { githubRoutes } from "../apis/github/repositories.ts";
import { empty, form, json, text } from "../engine/reply.ts";
import { errorTable, rfcErrorBody, spec } from "../engine/oauth/errors.ts";
import { bearer } from "../engine/http/incoming.ts";
import type {
  Account,
  Incoming,
  JsonObject,
  OpenRoute,
  Reply,
  RouteContext,
  TokenProblem,
  TokenRoute,
  Vendor,
} from "../engine/types.ts";
import { randomLetters } from "../engine/values.ts";
import { capabilitiesOf } from "./kit.ts";

const API = ["api.github.com"];
const DOCS_OAUTH = "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps";
const DOCS_REFRESH =
  "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens";
const APP_LIFE_S = 28_800;
const APP_REFRESH_LIFE_S = 15_811_200;

const ok = (error: string, description: string) => spec(200, error, description);
const badCode = ok("bad_verification_code", "The code passed is incorrect or expired.");
const badRefresh = ok("bad_refresh_token", "The refresh token passed is incorrect or expired.");
const badClient = ok("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.");

function precheck(incoming: Incoming): Reply | null {
  if ((incoming.headers["user-agent"] ?? "") !== "") return null;
  return text(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.");
}

function denied(problem: TokenProblem, needed: readonly string[], held: readonly string[]): Reply {
  if (problem === "missing") return message(401, "Requires authentication");
  if (problem !== "scope") return message(401, "Bad credentials");
  const headers = { "x-oauth-scopes": held.join(", "), "x-accepted-oauth-scopes": needed.join(", ") };
  return message(404, "Not Found", headers);
}

const presented = (incoming: Incoming): string | null =>
  bearer(incoming) ?? /^token +(\S+)$/i.exec(incoming.headers.authorization ?? "")?.[1] ?? null;

function user(account: Account): JsonObject {
  return { ...owner(account), name: loginOf(account), email: account.email };
}

const route = { hosts: API, method: "GET", auth: "token", precheck, presented, denied } as const;

const userRoutes: readonly TokenRoute[] = [
  { ...route, path: "/user", kind: "identity", handle: (_, { account }) => json(200, user(account)) },
  {
    ...route,
    path: "/user/emails",
    kind: "identity",
    scopes: ["user:email", "user"],
    handle: (_, { account: { email } }) => json(200, [{ email, primary: true, verified: true, visibility: "private" }]),
  },
  ...githubRoutes({ hosts: API, precheck, presented, denied }),
];

/**
 * DELETE /applications/{client_id}/token|grant, with the client's credentials in Basic and the
 * token in a JSON body.
 */
function revocation(path: string, reach: "token" | "account"): OpenRoute {
  const handle = ({ incoming, params, checkClient, revokeToken }: RouteContext): Reply => {
    const client = checkClient("basic");
    if (!client.ok || client.client_id !== params["client_id"]) return message(401, "Bad credentials");
    const token = incoming.json["access_token"];
    if (typeof token !== "string") return message(422, "Invalid request. access_token must be a string.");
    return revokeToken(token, reach, client.client_id) === null ? message(404, "Not Found") : empty(204);
  };
  return { hosts: API, method: "DELETE", path, kind: "revoke", auth: "none", precheck, handle };
}

export const github: Vendor = {
  id: "github",
  name: "GitHub",
  serves: ["github"],
  capabilities: capabilitiesOf(DOCS_OAUTH, {
    refresh: DOCS_REFRESH,
    rotate: DOCS_REFRESH,
    identity: "https://docs.github.com/en/rest/users/users",
    health: "https://docs.github.com/en/rest/users/users",
    revoke: "https://docs.github.com/en/rest/apps/oauth-applications",
  }),
  authorize: {
    hosts: ["github.com"],
    path: "/login/oauth/authorize",
    scope_lists: [{ label: "scopes", param: "scope", separator: " " }],
    pkce: "supported",
    http_redirects: true,
    issuer: "https://github.com/login/oauth",
    offline: ({ modes }) => modes.has("rotate"),
    denied: {
      error_description: "The user has denied your application access.",
      error_uri: "https://docs.github.com/apps/troubleshooting-authorization-request-errors/#access-denied",
    },
  },
  token: {
    hosts: ["github.com"],
    path: "/login/oauth/access_token",
    client_auth: ["post", "basic"],
    body: ["form", "json"],
    code_life_s: 600,
    redirect_uri_required: false,
    grant_type_optional: true,
    errors: errorTable({
      no_client: badClient,
      no_secret: badClient,
      bad_secret: badClient,
      wrong_body: badClient,
      bad_grant_type: ok("unsupported_grant_type", "The grant_type is not supported."),
      bad_code: badCode,
      used_code: badCode,
      expired_code: badCode,
      no_verifier: badCode,
      bad_verifier: badCode,
      wrong_redirect: ok(
        "redirect_uri_mismatch",
        "The redirect_uri MUST match the registered callback URL for this application.",
      ),
      bad_refresh: badRefresh,
      used_refresh: badRefresh,
      expired_refresh: badRefresh,
      revoked_refresh: badRefresh,
    }),
    errorBody: rfcErrorBody,
    policy: (modes) => {
      const app = modes.has("rotate");
      const [access_life_s, refresh_life_s] = app ? [APP_LIFE_S, APP_REFRESH_LIFE_S] : [null, null];
      return { access_life_s, refresh_life_s, announces_expiry: app, rotates: app, old_access_dies: app };
    },
    newCode: () => randomLetters(20).toLowerCase(),
    newAccessToken: (_, policy) => `${policy.rotates ? "ghu" : "gho"}_${randomLetters(36)}`,
    newRefreshToken: () => `ghr_${randomLetters(76)}`,
    successBody: ({ issued: [issued], modes }) => ({
      access_token: issued?.access_token,
      expires_in: issued?.expires_in,
      refresh_token: issued?.refresh_token,
      refresh_token_expires_in: issued?.refresh_token_expires_in,
      scope: modes.has("rotate") ? "" : issued?.scopes.join(","),
      token_type: "bearer",
    }),
    render: (incoming, status, body) =>
      (incoming.headers.accept ?? "").includes("application/json") ? json(status, body) : form(status, body),
  },
  routes: [
    ...userRoutes,
    revocation("/applications/:client_id/token", "token"),
    revocation("/applications/:client_id/grant", "account"),
  ],
};
