/**
 * GitLab: gitlab.com, and self-hosted instances at hosts that begin with `gitlab.`.
 * https://docs.gitlab.com/api/oauth2/
 *
 * Quirks: `created_at` beside `expires_in`. A refresh ends both previous tokens. Each host is a
 * separate service. Unverified: that reusing a refresh token ends the grant, and the texts of API
 * errors.
 */
import { json } from "../engine/reply.ts";
import { codeErrors, errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import type { Account, JsonObject } from "../engine/types.ts";
import { person, randomId, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://docs.gitlab.com/api/oauth2/";
const HOSTS = [/^gitlab(?:\.[a-z0-9-]+)*\.[a-z]{2,63}$/];

const badGrant = spec(
  400,
  "invalid_grant",
  "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.",
);
const badClient = spec(401, "invalid_client", "Client authentication failed due to unknown client.");

const denied = denyWith((problem): JsonObject => {
  if (problem === "missing") return { message: "401 Unauthorized" };
  if (problem === "scope") return { error: "insufficient_scope", error_description: "Higher privileges needed." };
  const words = { expired: "Token is expired.", revoked: "Token was revoked.", invalid: "Token is invalid." }[problem];
  return { error: "invalid_token", error_description: words };
});

const api = defineApi({ hosts: HOSTS, denied });

const user = (account: Account): JsonObject => ({
  id: stableNumber("gitlab", account.email),
  username: account.name,
  name: person(account).full,
  state: "active",
  email: account.email,
});

export const gitlab = defineVendor({
  id: "gitlab",
  name: "GitLab",
  capabilities: capabilitiesOf(DOCS, {
    identity: "https://docs.gitlab.com/api/users/",
    health: "https://docs.gitlab.com/api/users/",
  }),
  realm: (host) => host,
  authorize: {
    hosts: HOSTS,
    path: "/oauth/authorize",
    response_type_required: true,
    pkce: "supported",
    pkce_plain: true,
    denied: { error_description: "The resource owner or authorization server denied the request." },
  },
  token: {
    hosts: HOSTS,
    path: "/oauth/token",
    client_auth: ["post", "basic"],
    life: expiring(7200, { rotates: true, old_access_dies: true }),
    errors: errorTable({
      no_secret: badClient,
      bad_secret: badClient,
      ...codeErrors(badGrant),
      wrong_redirect: badGrant,
      bad_verifier: badGrant,
      no_verifier: badGrant,
      ...refreshErrors(badGrant),
    }),
    newAccessToken: () => `gloas-${randomId(48)}`,
    successBody: (context) => ({ ...tokenBody(context, " ", "Bearer"), created_at: Math.floor(context.now / 1000) }),
  },
  routes: [
    revocation({
      hosts: HOSTS,
      path: "/oauth/revoke",
      client_auth: ["post", "basic"],
      reach: "grant",
      success: () => json(200, {}),
    }),
    api("GET", "identity", "/api/v4/user", ({ account }) => user(account), ["read_user", "read_api", "api"]),
    api(
      "GET",
      "resource",
      "/api/v4/projects",
      ({ account: { org, name } }) => [
        { id: stableNumber("gitlab project", org), name: "hello", path_with_namespace: `${name}/hello` },
      ],
      ["read_api", "api"],
    ),
  ],
});
