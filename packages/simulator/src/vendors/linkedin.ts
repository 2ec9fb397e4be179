/**
 * LinkedIn.
 * https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow
 *
 * Quirks: HTTP Basic is refused. No PKCE. Scopes in the reply are separated by commas. Only
 * approved apps get a refresh token (as here, mode `no-refresh-token` is the usual app). It expires
 * 365 days after consent, and its lifetime counts down. Denied consent has its own error name.
 * Unverified: revocation (public code only), the texts of API errors.
 */
import { json } from "../engine/reply.ts";
import { codeErrors, errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import { signIdToken } from "../engine/oauth/id-token.ts";
import type {
  Account,
  IssueContext,
  JsonObject,
  OpenRoute,
  Reply,
  RouteContext,
  TokenProblem,
} from "../engine/types.ts";
import { person, randomId, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://learn.microsoft.com/en-us/linkedin/shared/authentication";
const HOSTS = ["www.linkedin.com"];
const ISSUER = "https://www.linkedin.com/oauth";

const badCode = spec(
  400,
  "invalid_request",
  "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization code. Or authorization code expired. Or external member binding exists",
);
const badRefresh = spec(
  400,
  "invalid_grant",
  "The provided authorization grant or refresh token is invalid, expired or revoked.",
);
const badClient = spec(401, "invalid_client", "Client authentication failed");

const CODES: Readonly<Record<TokenProblem, readonly [number, number, string, string]>> = {
  missing: [401, 65_604, "EMPTY_ACCESS_TOKEN", "Empty oauth2 access token"],
  invalid: [401, 65_600, "INVALID_ACCESS_TOKEN", "Invalid access token"],
  revoked: [401, 65_601, "REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked by the user"],
  expired: [401, 65_602, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired"],
  scope: [403, 100, "ACCESS_DENIED", "Not enough permissions to access: GET /userinfo"],
};

function denied(problem: TokenProblem): Reply {
  const [status, serviceErrorCode, code, message] = CODES[problem];
  return json(status, { status, serviceErrorCode, code, message });
}

const api = defineApi({ hosts: ["api.linkedin.com"], denied });

const claims = (account: Account): JsonObject => {
  const { first, last, full, email } = person(account);
  const names = { name: full, given_name: first, family_name: last, locale: "en_US" };
  return { sub: stableId("linkedin", email, 10), ...names, email, email_verified: true };
};

function successBody(context: IssueContext): JsonObject {
  const { issued, account, client_id, now, nonce } = context;
  const iat = Math.floor(now / 1000);
  const openid = context.leg === "exchange" && issued[0]?.scopes.includes("openid") === true;
  return {
    ...tokenBody(context, ",", "Bearer"),
    refresh_token_expires_in: issued[0]?.refresh_token_expires_in,
    id_token: openid
      ? signIdToken({ iss: ISSUER, aud: client_id, nonce, iat, exp: iat + 3600, ...claims(account) })
      : undefined,
  };
}

function introspect({ incoming, checkClient, inspect }: RouteContext): Reply {
  const client = checkClient("post");
  if (!client.ok) return json(401, { error: badClient.error, error_description: badClient.description });
  const caller = inspect(incoming.fields.get("token") ?? "");
  if (caller === null || caller.client_id !== client.client_id) return json(200, { active: false });
  return json(200, { active: true, status: "active", scope: caller.scopes.join(","), client_id: caller.client_id });
}

const introspection: OpenRoute = {
  hosts: HOSTS,
  method: "POST",
  path: "/oauth/v2/introspectToken",
  kind: "other",
  auth: "none",
  handle: introspect,
};

export const linkedin = defineVendor({
  id: "linkedin",
  name: "LinkedIn",
  capabilities: capabilitiesOf(`${DOCS}/authorization-code-flow`, {
    refresh: `${DOCS}/programmatic-refresh-tokens`,
    rotate: { supported: false, source: `${DOCS}/programmatic-refresh-tokens` },
  }),
  authorize: {
    hosts: HOSTS,
    path: "/oauth/v2/authorization",
    response_type_required: true,
    scope_required: true,
    denied: { error: "user_cancelled_authorize", error_description: "The user cancelled the authorization" },
  },
  token: {
    hosts: HOSTS,
    path: "/oauth/v2/accessToken",
    code_life_s: 1800,
    life: expiring(5_184_000, { refresh_life_s: 31_536_000, refresh_end: "absolute", repeats_refresh_token: true }),
    errors: errorTable({
      no_secret: badClient,
      bad_secret: badClient,
      wrong_auth_method: badClient,
      ...codeErrors(badCode),
      wrong_redirect: badCode,
      ...refreshErrors(badRefresh),
    }),
    newCode: () => `AQ${randomId(90)}`,
    newAccessToken: () => `AQX${randomId(260)}`,
    newRefreshToken: () => `AQW${randomId(260)}`,
    successBody,
  },
  routes: [
    introspection,
    revocation({ hosts: HOSTS, path: "/oauth/v2/revoke", client_auth: ["post"], reach: "grant" }),
    api("GET", "identity", "/v2/userinfo", ({ account }) => claims(account), ["openid"]),
    api("GET", "resource", "/v2/me", ({ account }) => ({
      id: stableId("linkedin", account.email, 10),
      localizedFirstName: person(account).first,
      localizedLastName: person(account).last,
    })),
  ],
});
