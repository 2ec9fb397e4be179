/**
 * Google: one authorization server for all its services. Their APIs are in google-services.ts and
 * in apis/google/.
 * https://developers.google.com/identity/protocols/oauth2/web-server
 *
 * Quirks: a refresh token requires `access_type=offline`, and after the first consent also
 * `prompt=consent`. Refresh replies have no refresh token. Revoking one token ends the user's whole
 * grant to the client.
 */
import { calendarRoutes } from "../apis/google/calendar.ts";
import { googleScopes } from "../apis/google/common.ts";
import { json } from "../engine/reply.ts";
import { errorTable, rfcErrorBody, spec } from "../engine/oauth/errors.ts";
import { jwks, signIdToken } from "../engine/oauth/id-token.ts";
import type { Account, IssueContext, JsonObject, Reply, RouteContext, Vendor } from "../engine/types.ts";
import { person, randomId, stableNumber } from "../engine/values.ts";
import { serviceRoutes, serviceTypes } from "./google-services.ts";
import { capabilitiesOf, unsupported } from "./kit.ts";

const DOCS = "https://developers.google.com/identity/protocols/oauth2/web-server";
const ISSUER = "https://accounts.google.com";
const API = ["www.googleapis.com"];
const IDENTITY_SCOPES = ["openid", "email", "profile", ...googleScopes(["userinfo.email", "userinfo.profile"])];

const subject = (account: Account): string =>
  `10${stableNumber("google", account.email)}${stableNumber("google sub", account.email)}`.padEnd(21, "0").slice(0, 21);

function profile(account: Account): JsonObject {
  const name = person(account).full;
  return { sub: subject(account), name, given_name: name.split(" ")[0], email: account.email, email_verified: true };
}

function successBody(context: IssueContext): JsonObject {
  const [issued] = context.issued;
  const iat = Math.floor(context.now / 1000);
  const claims = { iss: ISSUER, azp: context.client_id, aud: context.client_id, ...profile(context.account) };
  const id_token = issued?.scopes.includes("openid")
    ? signIdToken({ ...claims, nonce: context.nonce, iat, exp: iat + 3600 })
    : undefined;
  return {
    access_token: issued?.access_token,
    expires_in: issued?.expires_in,
    refresh_token: issued?.refresh_token,
    refresh_token_expires_in: issued?.refresh_token_expires_in,
    scope: issued?.scopes.join(" "),
    token_type: "Bearer",
    id_token,
  };
}

const identityDenied = (): Reply => json(401, { error: "invalid_request", error_description: "Invalid Credentials" });

function revoke({ incoming, revokeToken }: RouteContext): Reply {
  const token = incoming.fields.get("token") ?? incoming.query.get("token") ?? "";
  if (revokeToken(token, "account") !== null) return json(200, {});
  return json(400, { error: "invalid_token", error_description: "Token expired or revoked" });
}

export const google: Vendor = {
  id: "google",
  name: "Google",
  serves: ["googlecalendar", ...serviceTypes],
  capabilities: capabilitiesOf(DOCS, {
    rotate: unsupported(DOCS),
    identity: "https://developers.google.com/identity/openid-connect/openid-connect",
    health: "https://developers.google.com/identity/openid-connect/openid-connect",
  }),
  authorize: {
    hosts: ["accounts.google.com"],
    path: "/o/oauth2/v2/auth",
    scope_lists: [{ label: "scopes", param: "scope", separator: " " }],
    scope_required: true,
    response_type_required: true,
    pkce: "supported",
    pkce_plain: true,
    issuer: ISSUER,
    offline: ({ query, first_consent }) =>
      query.get("access_type") === "offline" &&
      (first_consent || (query.get("prompt") ?? "").split(" ").includes("consent")),
    callback: ({ scopes }) => ({ scope: scopes.join(" "), authuser: "0", prompt: "consent" }),
  },
  token: {
    hosts: ["oauth2.googleapis.com"],
    path: "/token",
    client_auth: ["post", "basic"],
    body: ["form"],
    code_life_s: 600,
    redirect_uri_required: true,
    errors: errorTable({
      no_client: spec(400, "invalid_request", "Could not determine client ID from request."),
      no_secret: spec(400, "invalid_request", "client_secret is missing."),
      bad_secret: spec(401, "invalid_client", "Unauthorized"),
      wrong_body: spec(400, "invalid_request", "Required parameter is missing: grant_type"),
      bad_grant_type: spec(400, "unsupported_grant_type", "Invalid grant_type"),
      bad_code: spec(400, "invalid_grant", "Malformed auth code."),
      used_code: spec(400, "invalid_grant", "Bad Request"),
      expired_code: spec(400, "invalid_grant", "Bad Request"),
      wrong_redirect: spec(400, "redirect_uri_mismatch", "Bad Request"),
      no_verifier: spec(400, "invalid_grant", "Missing code verifier."),
      bad_verifier: spec(400, "invalid_grant", "Invalid code verifier."),
      bad_refresh: spec(400, "invalid_grant", "Bad Request"),
      used_refresh: spec(400, "invalid_grant", "Token has been expired or revoked."),
      expired_refresh: spec(400, "invalid_grant", "Token has been expired or revoked."),
      revoked_refresh: spec(400, "invalid_grant", "Token has been expired or revoked."),
      try_later: spec(503, "internal_failure", "Backend error."),
    }),
    errorBody: rfcErrorBody,
    policy: (modes) => ({
      access_life_s: 3599,
      announces_expiry: true,
      rotates: modes.has("rotate"),
      old_access_dies: false,
      refresh_life_s: null,
    }),
    newCode: () => `4/0A${randomId(48)}`,
    newAccessToken: () => `ya29.a0${randomId(120)}`,
    newRefreshToken: () => `1//0${randomId(64)}`,
    successBody,
  },
  routes: [
    ...serviceRoutes,
    {
      hosts: ["oauth2.googleapis.com"],
      method: "POST",
      path: "/revoke",
      kind: "revoke",
      auth: "none",
      handle: revoke,
    },
    {
      hosts: API,
      method: "GET",
      path: "/oauth2/v3/certs",
      kind: "other",
      auth: "none",
      handle: () => json(200, jwks()),
    },
    {
      hosts: ["openidconnect.googleapis.com"],
      method: "GET",
      path: "/v1/userinfo",
      kind: "identity",
      auth: "token",
      scopes: IDENTITY_SCOPES,
      denied: identityDenied,
      handle: (_, { account }) => json(200, profile(account)),
    },
    ...calendarRoutes,
  ],
};
