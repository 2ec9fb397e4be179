/**
 * Typeform, both regions. https://www.typeform.com/developers/get-started/applications/
 *
 * Peculiar: `api.typeform.com` and `api.typeform.eu` are two authorization servers, each with clients of its own; the
 * older EU centre has its API at `api.eu.typeform.com`. A refresh token only with scope `offline`; a refresh must repeat
 * the scopes, else the new token has none; the old refresh token is dead after use. Unverified: rotation and the
 * repeated scope (second-hand), the shapes of API errors.
 */
import { errorTable, refreshErrors, spec } from "../engine/errors.ts";
import { randomLetters, stableId } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, no, plainVendor, withScope } from "./kit.ts";

const DOCS = "https://www.typeform.com/developers/get-started/applications/";
const SCOPES = "https://www.typeform.com/developers/get-started/scopes/";
const AUTH = ["api.typeform.com", "api.typeform.eu"];

const denied = deniedBy((problem) =>
  problem === "scope"
    ? { code: "FORBIDDEN", description: "Insufficient scope" }
    : { code: "AUTHENTICATION_FAILED", description: "Authentication credentials not found on the Request Headers" },
);

const api = apiOf({ hosts: [...AUTH, "api.eu.typeform.com"], denied });

const badRefresh = spec(400, "invalid_grant", "The refresh token is malformed, expired or was already used.");

export const typeform = plainVendor({
  id: "typeform",
  name: "Typeform",
  capabilities: capable(DOCS, { refresh: SCOPES, rotate: SCOPES, revoke: no(DOCS) }),
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
    scope_on_refresh: "needed",
    life: expiring(604_800, { rotates: true, on_reuse: "refused" }),
    errors: errorTable({
      ...refreshErrors(badRefresh),
    }),
    mintAccess: () => `tfp_${randomLetters(44)}_${randomLetters(10)}`,
    mintRefresh: () => `${randomLetters(43)}.${randomLetters(43)}`,
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
