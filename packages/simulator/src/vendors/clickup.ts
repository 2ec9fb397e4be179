/**
 * ClickUp. https://developer.clickup.com/docs/authentication
 *
 * Quirks: the consent page is the bare `/api`. No scopes. The only token never expires and cannot
 * be refreshed. Errors are `{ err, ECODE }`. Unverified: the numbers of the error codes.
 */
import { errorTable, spec } from "../engine/oauth/errors.ts";
import { randomLetters, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, FOREVER, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://developer.clickup.com/docs/authentication";
const API = ["api.clickup.com"];

const code = (status: number, ECODE: string, err: string) => spec(status, ECODE, err);
const badCode = code(400, "OAUTH_013", "Code not found");

const denied = denyWith((problem) =>
  problem === "missing"
    ? { err: "Authorization header required", ECODE: "OAUTH_017" }
    : { err: "Token invalid", ECODE: "OAUTH_025" },
);

const api = defineApi({ hosts: API, denied });

const team = (org: string) => ({ id: String(stableNumber("clickup team", org)), name: org, color: "#536cfe" });

export const clickup = defineVendor({
  id: "clickup",
  name: "ClickUp",
  capabilities: capabilitiesOf(DOCS, {
    refresh: unsupported(DOCS),
    rotate: unsupported(DOCS),
    revoke: unsupported(DOCS),
  }),
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
    newCode: () => randomLetters(32).toUpperCase(),
    newAccessToken: () =>
      `${String(stableNumber("clickup token", randomLetters(8)))}_${randomLetters(64).toLowerCase()}`,
    successBody: (context) => tokenBody(context, null, "Bearer"),
  },
  routes: [
    api("GET", "identity", "/api/v2/user", ({ account: { name, email } }) => ({
      user: { id: stableNumber("clickup", email), username: name, email, color: "#7b68ee", profilePicture: null },
    })),
    api("GET", "resource", "/api/v2/team", ({ account: { org } }) => ({ teams: [{ ...team(org), members: [] }] })),
  ],
});
