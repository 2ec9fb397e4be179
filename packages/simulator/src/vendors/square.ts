/**
 * Square, production and sandbox.
 * https://developer.squareup.com/reference/square/o-auth/obtain-token
 *
 * Quirks: JSON bodies. The expiry is `expires_at`, an instant in ISO 8601. A refresh repeats the
 * same refresh token. Revocation requires `Authorization: Client <secret>` and ends all tokens of
 * the seller. Errors are an array. Unverified: the codes of token errors.
 */
import { json } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import type {
  Account,
  IssueContext,
  Json,
  JsonObject,
  OpenRoute,
  Reply,
  RouteContext,
  TokenProblem,
} from "../engine/types.ts";
import { orgName, randomId, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, unsupported } from "./kit.ts";

const REFERENCE = "https://developer.squareup.com/reference/square";
const HOSTS = ["connect.squareup.com", "connect.squareupsandbox.com"];

const errors = (category: string, code: string, detail: string): JsonObject => ({
  errors: [{ category, code, detail }],
});

const unauthorized = spec(401, "UNAUTHORIZED", "Not authorized");
const badGrant = (description: string) => spec(401, "UNAUTHORIZED", description);

const CODES: Partial<Record<TokenProblem, string>> = {
  expired: "ACCESS_TOKEN_EXPIRED",
  revoked: "ACCESS_TOKEN_REVOKED",
};

const denied = denyWith((problem) => {
  if (problem === "scope") return errors("AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES", "The scopes are insufficient.");
  const code = CODES[problem] ?? "UNAUTHORIZED";
  return errors("AUTHENTICATION_ERROR", code, "This request could not be authorized.");
});

const api = defineApi({ hosts: HOSTS, denied });

const merchantId = ({ org }: Account): string => `ML${stableId("square", org, 11)}`;

/**
 * Returns the expiry as an instant. Some modes produce a lifetime that is not a number, which is
 * returned unchanged.
 */
function expiresAt(now: number, expires_in: number | string | undefined): Json | undefined {
  return typeof expires_in === "number" ? new Date(now + expires_in * 1000).toISOString() : expires_in;
}

function successBody({ issued: [issued], account, now }: IssueContext): JsonObject {
  return {
    access_token: issued?.access_token,
    token_type: "bearer",
    expires_at: expiresAt(now, issued?.expires_in),
    merchant_id: merchantId(account),
    refresh_token: issued?.refresh_token,
    short_lived: false,
  };
}

function revoke({ incoming, secretOf, revokeToken }: RouteContext): Reply {
  const client_id = incoming.fields.get("client_id") ?? "";
  const right = incoming.headers.authorization === `Client ${secretOf(client_id)}`;
  if (!right) return json(401, errors("AUTHENTICATION_ERROR", "UNAUTHORIZED", "The client secret is wrong."));
  const revoked = revokeToken(incoming.fields.get("access_token") ?? "", "account", client_id);
  if (revoked !== null) return json(200, { success: true });
  return json(404, errors("INVALID_REQUEST_ERROR", "NOT_FOUND", "access token not found"));
}

const revocation: OpenRoute = {
  hosts: HOSTS,
  method: "POST",
  path: "/oauth2/revoke",
  kind: "revoke",
  auth: "none",
  handle: revoke,
};

export const square = defineVendor({
  id: "square",
  name: "Square",
  capabilities: capabilitiesOf(`${REFERENCE}/o-auth/obtain-token`, {
    rotate: unsupported(`${REFERENCE}/o-auth/obtain-token`),
    identity: `${REFERENCE}/merchants-api/retrieve-merchant`,
    health: `${REFERENCE}/merchants-api/retrieve-merchant`,
    revoke: `${REFERENCE}/o-auth/revoke-token`,
  }),
  realm: (host) => host,
  authorize: { hosts: HOSTS, path: "/oauth2/authorize", scope_required: true },
  token: {
    hosts: HOSTS,
    path: "/oauth2/token",
    body: ["json", "form"],
    life: expiring(2_592_000, { repeats_refresh_token: true }),
    errors: errorTable({
      no_secret: unauthorized,
      bad_secret: unauthorized,
      wrong_auth_method: unauthorized,
      bad_code: badGrant("Authorization code not found"),
      used_code: badGrant("Authorization code is already used"),
      expired_code: badGrant("Authorization code is expired"),
      bad_refresh: badGrant("Invalid refresh token"),
      used_refresh: badGrant("Invalid refresh token"),
      expired_refresh: badGrant("Invalid refresh token"),
      revoked_refresh: badGrant("Refresh token is revoked"),
      rate_limited: spec(429, "RATE_LIMITED", "Too many requests"),
      try_later: spec(503, "SERVICE_UNAVAILABLE", "Try again later"),
    }),
    errorBody: ({ status, error, description }) =>
      errors(status === 401 ? "AUTHENTICATION_ERROR" : "INVALID_REQUEST_ERROR", error, description),
    newCode: () => `sq0cgp-${randomId(16)}`,
    newAccessToken: () => `EAAAl${randomId(44)}`,
    newRefreshToken: () => `EQAAl${randomId(44)}`,
    successBody,
  },
  routes: [
    revocation,
    api(
      "GET",
      "identity",
      "/v2/merchants/me",
      ({ account }) => ({
        merchant: {
          id: merchantId(account),
          business_name: orgName(account),
          country: "US",
          language_code: "en-US",
          currency: "USD",
          status: "ACTIVE",
        },
      }),
      ["MERCHANT_PROFILE_READ"],
    ),
    api(
      "GET",
      "resource",
      "/v2/locations",
      ({ account }) => ({
        locations: [{ id: `L${stableId("square location", account.org, 12)}`, name: "Main", status: "ACTIVE" }],
      }),
      ["MERCHANT_PROFILE_READ"],
    ),
  ],
});
