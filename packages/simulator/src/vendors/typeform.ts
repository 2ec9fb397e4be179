/**
 * Typeform, both regions. https://www.typeform.com/developers/get-started/applications/
 *
 * Quirks: `api.typeform.com` and `api.typeform.eu` are two authorization servers, each with its own
 * clients. The older EU data center has its API at `api.eu.typeform.com`. A refresh token requires
 * scope `offline`. A refresh must repeat the scopes, or the new token has none. A refresh token
 * works once. Unverified: rotation and the repeated scope (second-hand), the shapes of API errors.
 */
import { errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import { randomLetters, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, unsupported, withScope } from "./kit.ts";

const DOCS = "https://www.typeform.com/developers/get-started/applications/";
const SCOPES = "https://www.typeform.com/developers/get-started/scopes/";
const AUTH = ["api.typeform.com", "api.typeform.eu"];

const denied = denyWith((problem) =>
  problem === "scope"
    ? { code: "FORBIDDEN", description: "Insufficient scope" }
    : { code: "AUTHENTICATION_FAILED", description: "Authentication credentials not found on the Request Headers" },
);

const api = defineApi({ hosts: [...AUTH, "api.eu.typeform.com"], denied });

const badRefresh = spec(400, "invalid_grant", "The refresh token is malformed, expired or was already used.");

export const typeform = defineVendor({
  id: "typeform",
  name: "Typeform",
  capabilities: capabilitiesOf(DOCS, { refresh: SCOPES, rotate: SCOPES, revoke: unsupported(DOCS) }),
  realm: (host) => (host.endsWith(".eu") ? "eu" : "com"),
  authorize: {
    hosts: AUTH,
    path: "/oauth/authorize",
    scope_required: true,
    offline: withScope("offline"),
    denied: { error_description: "The resource owner denied the request" },
  },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    scope_on_refresh: "required",
    life: expiring(604_800, { rotates: true, on_reuse: "refused" }),
    errors: errorTable({
      ...refreshErrors(badRefresh),
    }),
    newAccessToken: () => `tfp_${randomLetters(44)}_${randomLetters(10)}`,
    newRefreshToken: () => `${randomLetters(43)}.${randomLetters(43)}`,
  },
  routes: [
    api(
      "GET",
      "identity",
      "/me",
      ({ account: { name, email } }) => ({
        user_id: stableId("typeform", email, 26),
        alias: name,
        email,
        language: "en",
      }),
      ["accounts:read"],
    ),
    api(
      "GET",
      "resource",
      "/forms",
      ({ account: { org } }) => ({
        total_items: 1,
        page_count: 1,
        items: [{ id: stableId("typeform form", org, 8), title: "Feedback" }],
      }),
      ["forms:read", "forms:write"],
    ),
  ],
});
