/**
 * Linear. https://linear.app/developers/oauth-2-0-authentication
 *
 * Quirks: scopes are separated by commas. Refresh tokens are single-use. The API is GraphQL, and
 * success has `data`. Revocation takes the token as Bearer or as a form field, and returns 400 for
 * a revoked one. Unverified: that reusing a refresh token ends the grant, and the space between
 * granted scopes.
 */
import { failure, graphql } from "../apis/linear.ts";
import { empty, json } from "../engine/reply.ts";
import { bearer } from "../engine/http/incoming.ts";
import type { OpenRoute, Reply, RouteContext, TokenRoute } from "../engine/types.ts";
import { randomLetters } from "../engine/values.ts";
import { capabilitiesOf, defineVendor, denyWith, expiring, scopeList, tokenBody } from "./kit.ts";

const DOCS = "https://linear.app/developers/oauth-2-0-authentication";
const API = ["api.linear.app"];

const denied = denyWith((problem) =>
  problem === "scope"
    ? failure("Invalid scope: `read` required", "FORBIDDEN", "forbidden")
    : failure("Authentication required, not authenticated", "AUTHENTICATION_ERROR", "authentication error"),
);

const api: TokenRoute = {
  hosts: API,
  method: "POST",
  path: "/graphql",
  kind: ({ fields }) => (/\bviewer\b/.test(fields.get("query") ?? "") ? "identity" : "resource"),
  auth: "token",
  scopes: ["read", "write", "admin"],
  denied,
  handle: graphql,
};

function revoke({ incoming, revokeToken }: RouteContext): Reply {
  const token = bearer(incoming) ?? incoming.fields.get("token") ?? "";
  if (token === "") return json(401, { error: "invalid_token" });
  return revokeToken(token, "grant") === null ? json(400, { error: "invalid_token" }) : empty(200);
}

const revocation: OpenRoute = {
  hosts: API,
  method: "POST",
  path: "/oauth/revoke",
  kind: "revoke",
  auth: "none",
  handle: revoke,
};

export const linear = defineVendor({
  id: "linear",
  name: "Linear",
  capabilities: capabilitiesOf(`${DOCS}.md`),
  authorize: {
    hosts: ["linear.app"],
    path: "/oauth/authorize",
    scope_lists: scopeList(","),
    response_type_required: true,
    pkce: "supported",
    pkce_plain: true,
  },
  token: {
    hosts: API,
    path: "/oauth/token",
    client_auth: ["post", "basic"],
    life: expiring(86_399, { rotates: true }),
    newAccessToken: () => `lin_oauth_${randomLetters(64).toLowerCase()}`,
    newRefreshToken: () => `lin_refresh_${randomLetters(64).toLowerCase()}`,
    successBody: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [api, revocation],
});
