/**
 * Box. https://developer.box.com/guides/authentication/oauth2/
 *
 * Quirks: a code expires after 30 seconds. The exchange can omit the redirect URI. Replies have
 * `restricted_to` instead of a scope. Each refresh token works once. The API explains a refusal
 * only in WWW-Authenticate. Unverified: that the body of such a refusal is empty, and the effect of
 * reuse on the grant.
 */
import { empty } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import type { Reply, TokenProblem } from "../engine/types.ts";
import { person, randomLetters, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://developer.box.com/guides/authentication/oauth2/";
const API = ["api.box.com"];

const badRefresh = (description: string) => spec(400, "invalid_grant", description);

const LOW = "The request requires higher privileges than provided by the access token.";

function denied(problem: TokenProblem): Reply {
  const low = problem === "scope";
  const [error, words] = low ? ["insufficient_scope", LOW] : ["invalid_token", "The access token provided is invalid."];
  const challenge = `Bearer realm="Service", error="${error}", error_description="${words}"`;
  return empty(low ? 403 : 401, { "www-authenticate": challenge });
}

const api = defineApi({ hosts: API, denied });

export const box = defineVendor({
  id: "box",
  name: "Box",
  capabilities: capabilitiesOf(DOCS, {
    refresh: "https://developer.box.com/guides/authentication/tokens/refresh",
    rotate: "https://developer.box.com/guides/authentication/tokens/refresh",
  }),
  authorize: {
    hosts: ["account.box.com"],
    path: "/api/oauth2/authorize",
    response_type_required: true,
    denied: { error_description: "The user denied access to your application" },
  },
  token: {
    hosts: API,
    path: "/oauth2/token",
    code_life_s: 30,
    redirect_uri_required: false,
    life: expiring(3600, { rotates: true, refresh_life_s: 5_184_000, on_reuse: "refused" }),
    errors: errorTable({
      bad_secret: spec(400, "invalid_client", "The client credentials are invalid"),
      bad_code: badRefresh("The authorization code is invalid"),
      expired_code: badRefresh("The authorization code has expired"),
      bad_refresh: badRefresh("Invalid refresh token"),
      used_refresh: badRefresh("Refresh token has expired"),
      expired_refresh: badRefresh("Refresh token has expired"),
      revoked_refresh: badRefresh("Refresh token has expired"),
    }),
    newCode: () => randomLetters(32),
    newAccessToken: () => randomLetters(32),
    newRefreshToken: () => randomLetters(64),
    successBody: (context) => ({ ...tokenBody(context, null), restricted_to: [] }),
  },
  routes: [
    revocation({ hosts: API, path: "/oauth2/revoke", client_auth: ["post"], reach: "grant" }),
    api("GET", "identity", "/2.0/users/me", ({ account }) => ({
      type: "user",
      id: String(stableNumber("box", account.email)),
      name: person(account).full,
      login: account.email,
    })),
    api("GET", "resource", "/2.0/folders/:folder/items", ({ account }) => ({
      total_count: 1,
      entries: [{ type: "file", id: String(stableNumber("box file", account.email)), name: "notes.txt" }],
      offset: 0,
      limit: 100,
      order: [{ by: "type", direction: "ASC" }],
    })),
  ],
});
