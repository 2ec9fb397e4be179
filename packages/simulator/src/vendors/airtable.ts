/**
 * Airtable. https://airtable.com/developers/web/api/oauth-reference
 *
 * Quirks: HTTP Basic. PKCE is required. The state has at least 16 characters. The callback repeats
 * the challenge. The lifetime of the refresh token is `refresh_expires_in`. A refresh ends both
 * previous tokens, and reusing a refresh token ends the grant. Unverified: error texts, code
 * lifetime.
 */
import { airtableRoutes } from "../apis/airtable.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import { randomId, randomLetters, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://airtable.com/developers/web/api/oauth-reference";
const HOSTS = ["airtable.com"];

const denied = denyWith((problem) => ({
  error:
    problem === "scope"
      ? { type: "INVALID_PERMISSIONS", message: "You are not permitted to perform this operation" }
      : { type: "AUTHENTICATION_REQUIRED", message: "Authentication required" },
}));

const API = ["api.airtable.com"];
const api = defineApi({ hosts: API, denied });

export const airtable = defineVendor({
  id: "airtable",
  name: "Airtable",
  capabilities: capabilitiesOf(DOCS, { revoke: unsupported(DOCS) }),
  authorize: {
    hosts: HOSTS,
    path: "/oauth2/v1/authorize",
    response_type_required: true,
    scope_required: true,
    pkce: "required",
    state_min_length: 16,
    callback: ({ query }) => ({
      code_challenge: query.get("code_challenge") ?? "",
      code_challenge_method: query.get("code_challenge_method") ?? "plain",
    }),
  },
  token: {
    hosts: HOSTS,
    path: "/oauth2/v1/token",
    client_auth: ["basic"],
    life: expiring(3600, { rotates: true, old_access_dies: true, refresh_life_s: 5_184_000 }),
    errors: errorTable({
      used_refresh: spec(400, "invalid_grant", "Refresh token has been used; the grant is revoked."),
      rate_limited: spec(429, "rate_limited", "Too many requests."),
    }),
    newCode: () => randomId(32),
    newAccessToken: () => `oaa${randomLetters(14)}.v1.${randomId(64)}`,
    newRefreshToken: () => `oar${randomLetters(14)}.v1.${randomId(64)}`,
    successBody: (context) => ({
      ...tokenBody(context, " ", "Bearer"),
      refresh_expires_in: context.issued[0]?.refresh_token_expires_in,
    }),
  },
  routes: [
    api("GET", "identity", "/v0/meta/whoami", ({ account: { email }, scopes }) => ({
      id: `usr${stableId("airtable", email, 14)}`,
      scopes,
      email: scopes.includes("user.email:read") ? email : undefined,
    })),
    api(
      "GET",
      "resource",
      "/v0/meta/bases",
      ({ account: { org } }) => ({
        bases: [{ id: `app${stableId("airtable base", org, 14)}`, name: "Projects", permissionLevel: "create" }],
      }),
      ["schema.bases:read", "schema.bases:write"],
    ),
    ...airtableRoutes({ hosts: API, denied }),
  ],
});
