/**
 * ClickUp. https://developer.clickup.com/docs/authentication
 *
 * Peculiar: the consent page is the bare `/api`; no scopes; one token without end and without refresh; errors are
 * `{ err, ECODE }`. Unverified: the numbers of the error codes.
 */
import { errorTable, spec } from "../engine/errors.ts";
import { randomLetters, stableNumber } from "../engine/values.ts";
import { apiOf, capable, deniedBy, FOREVER, no, plainVendor, tokenBody } from "./kit.ts";

const DOCS = "https://developer.clickup.com/docs/authentication";
const API = ["api.clickup.com"];

const code = (status: number, ECODE: string, err: string) => spec(status, ECODE, err);
const badCode = code(400, "OAUTH_013", "Code not found");

const denied = deniedBy((problem) =>
  problem === "missing"
    ? { err: "Authorization header required", ECODE: "OAUTH_017" }
    : { err: "Token invalid", ECODE: "OAUTH_025" },
);

const api = apiOf({ hosts: API, denied });

const team = (org: string) => ({ id: String(stableNumber("clickup team", org)), name: org, color: "#536cfe" });

export const clickup = plainVendor({
  id: "clickup",
  name: "ClickUp",
  capabilities: capable(DOCS, { refresh: no(DOCS), rotate: no(DOCS), revoke: no(DOCS) }),
  authorize: { hosts: ["app.clickup.com"], path: "/api", offline: () => false },
  token: {
    hosts: API,
    path: "/api/v2/oauth/token",
    body: ["form", "json"],
    redirect_uri_required: false,
    grant_type_optional: true,
    life: FOREVER,
    errors: errorTable({
      no_client: code(400, "OAUTH_001", "Client ID missing"),
      no_secret: code(400, "OAUTH_002", "Client secret missing"),
      bad_secret: code(401, "OAUTH_010", "Client not found"),
      wrong_auth_method: code(400, "OAUTH_001", "Client ID missing"),
      wrong_body: code(400, "OAUTH_001", "Client ID missing"),
      bad_grant_type: code(400, "OAUTH_003", "Code missing"),
      bad_code: badCode,
      used_code: code(400, "OAUTH_014", "Code already used"),
      expired_code: badCode,
      wrong_redirect: code(400, "OAUTH_007", "Redirect URI not registered"),
      bad_refresh: code(400, "OAUTH_003", "Code missing"),
      rate_limited: code(429, "APP_002", "Rate limit reached"),
      try_later: code(503, "APP_001", "Try again later"),
    }),
    errorBody: ({ error, description }) => ({ err: description, ECODE: error }),
    mintCode: () => randomLetters(32).toUpperCase(),
    mintAccess: () => `${String(stableNumber("clickup token", randomLetters(8)))}_${randomLetters(64).toLowerCase()}`,
    answer: (context) => tokenBody(context, null, "Bearer"),
  },
  routes: [
    api("GET", "identity", "/api/v2/user", ({ account: { name, email } }) => ({
      user: { id: stableNumber("clickup", email), username: name, email, color: "#7b68ee", profilePicture: null },
    })),
    api("GET", "resource", "/api/v2/team", ({ account: { org } }) => ({ teams: [{ ...team(org), members: [] }] })),
  ],
});
