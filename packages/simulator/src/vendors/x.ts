/**
 * X. https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code
 *
 * Quirks: HTTP Basic and PKCE are required. A refresh token requires `offline.access`. A dead code
 * or token is `invalid_request`, not `invalid_grant`. The old `twitter.com` hosts work, too.
 * Unverified: the error text for a dead refresh token (reports only), the effect of reuse, API
 * errors.
 */
import { json } from "../engine/reply.ts";
import { clientErrors, codeErrors, errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import { person, randomId, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, revocation, withScope } from "./kit.ts";

const DOCS = "https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code";
const USER = "https://docs.x.com/x-api/users/get-my-user";
const API = ["api.x.com", "api.twitter.com"];

const bad = (what: string) => spec(400, "invalid_request", `Value passed for the ${what} was invalid.`);
const badToken = bad("token");
const badClient = spec(401, "unauthorized_client", "Missing valid authorization header");

const denied = denyWith((problem, status) => {
  const title = problem === "scope" ? "Forbidden" : "Unauthorized";
  return { title, type: "about:blank", status, detail: title };
});

const api = defineApi({ hosts: API, denied });
const userId = (email: string): string => String(stableNumber("x", email));

export const x = defineVendor({
  id: "x",
  name: "X",
  capabilities: capabilitiesOf(DOCS, { identity: USER, health: USER }),
  authorize: {
    hosts: ["x.com", "twitter.com"],
    path: "/i/oauth2/authorize",
    response_type_required: true,
    scope_required: true,
    pkce: "required",
    pkce_plain: true,
    state_min_length: 1,
    offline: withScope("offline.access"),
  },
  token: {
    hosts: API,
    path: "/2/oauth2/token",
    client_auth: ["basic"],
    life: expiring(7200, { rotates: true }),
    errors: errorTable({
      ...clientErrors(badClient),
      ...codeErrors(bad("authorization code")),
      wrong_redirect: bad("redirect uri"),
      no_verifier: bad("code verifier"),
      bad_verifier: bad("code verifier"),
      ...refreshErrors(badToken),
    }),
    newAccessToken: () => randomId(68),
    newRefreshToken: () => randomId(68),
  },
  routes: [
    revocation({
      hosts: API,
      path: "/2/oauth2/revoke",
      client_auth: ["basic"],
      reach: "token",
      success: () => json(200, { revoked: true }),
    }),
    api(
      "GET",
      "identity",
      "/2/users/me",
      ({ account }) => ({ data: { id: userId(account.email), name: person(account).full, username: account.name } }),
      ["users.read"],
    ),
    api(
      "GET",
      "resource",
      "/2/users/:id/tweets",
      ({ account }) => ({
        data: [{ id: "1", text: "hello", author_id: userId(account.email) }],
        meta: { result_count: 1 },
      }),
      ["tweet.read"],
    ),
  ],
});
