/**
 * Canva Connect. https://www.canva.dev/docs/connect/authentication/
 *
 * Peculiar: PKCE is demanded; one-time refresh tokens; ids and names of a person come from two calls; revoking a refresh
 * token ends its lineage and the consent. Unverified: what a used refresh token does, the words of errors.
 */
import { json } from "../engine/answer.ts";
import { randomId, stableId } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, person, plainVendor, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://www.canva.dev/docs/connect/authentication/";
const REVOKE = "https://canva.dev/docs/connect/api-reference/authentication/revoke-token";
const API = ["api.canva.com"];

const denied = deniedBy((problem) =>
  problem === "scope"
    ? { code: "missing_scope", message: "Missing scope" }
    : { code: "invalid_access_token", message: "Access token is invalid" },
);
const api = apiOf({ hosts: API, denied });

export const canva = plainVendor({
  id: "canva",
  name: "Canva",
  capabilities: capable(DOCS, { revoke: REVOKE }),
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
    mintAccess: () => `${randomId(40)}.${randomId(400)}.${randomId(200)}`,
    mintRefresh: () => `${randomId(40)}.${randomId(200)}`,
    answer: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [
    revocation({
      hosts: API,
      path: "/rest/v1/oauth/revoke",
      client_auth: ["basic", "post"],
      reach: "account",
      done: () => json(200, {}),
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
