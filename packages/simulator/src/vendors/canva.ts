/**
 * Canva Connect. https://www.canva.dev/docs/connect/authentication/
 *
 * Quirks: PKCE is required. Refresh tokens are single-use. A user's ids and name come from two
 * calls. Revoking a refresh token ends its lineage and the consent. Unverified: the effect of
 * reuse, error texts.
 */
import { json } from "../engine/reply.ts";
import { person, randomId, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://www.canva.dev/docs/connect/authentication/";
const REVOKE = "https://canva.dev/docs/connect/api-reference/authentication/revoke-token";
const API = ["api.canva.com"];

const denied = denyWith((problem) =>
  problem === "scope"
    ? { code: "missing_scope", message: "Missing scope" }
    : { code: "invalid_access_token", message: "Access token is invalid" },
);
const api = defineApi({ hosts: API, denied });

export const canva = defineVendor({
  id: "canva",
  name: "Canva",
  capabilities: capabilitiesOf(DOCS, { revoke: REVOKE }),
  authorize: {
    hosts: ["www.canva.com"],
    path: "/api/oauth/authorize",
    response_type_required: true,
    scope_required: true,
    pkce: "required",
  },
  token: {
    hosts: API,
    path: "/rest/v1/oauth/token",
    client_auth: ["basic", "post"],
    life: expiring(14_400, { rotates: true }),
    newAccessToken: () => `${randomId(40)}.${randomId(400)}.${randomId(200)}`,
    newRefreshToken: () => `${randomId(40)}.${randomId(200)}`,
    successBody: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [
    revocation({
      hosts: API,
      path: "/rest/v1/oauth/revoke",
      client_auth: ["basic", "post"],
      reach: "account",
      success: () => json(200, {}),
    }),
    api("GET", "other", "/rest/v1/users/me", ({ account: { email, org } }) => ({
      team_user: { user_id: `u${stableId("canva", email, 12)}`, team_id: `t${stableId("canva team", org, 12)}` },
    })),
    api(
      "GET",
      "identity",
      "/rest/v1/users/me/profile",
      ({ account }) => ({ profile: { display_name: person(account).full } }),
      ["profile:read"],
    ),
    api("GET", "resource", "/rest/v1/designs", () => ({ items: [] }), ["design:meta:read"]),
  ],
});
