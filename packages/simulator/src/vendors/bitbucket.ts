/**
 * Bitbucket Cloud. https://developer.atlassian.com/cloud/bitbucket/oauth-2/
 *
 * Peculiar: scopes are the consumer's, and the answer names them as `scopes`; the refresh token stays. Unverified:
 * lifetimes, the words of errors.
 */
import type { JsonObject } from "../engine/types.ts";
import { randomId, randomLetters, stableUuid } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, no, person, plainVendor, tokenBody } from "./kit.ts";

const DOCS = "https://developer.atlassian.com/cloud/bitbucket/oauth-2/";
const AUTH = ["bitbucket.org"];

const denied = deniedBy((): JsonObject => ({
  type: "error",
  error: { message: "Access token expired. Use your refresh token to obtain a new access token." },
}));
const api = apiOf({ hosts: ["api.bitbucket.org"], denied });

export const bitbucket = plainVendor({
  id: "bitbucket",
  name: "Bitbucket",
  capabilities: capable(DOCS, { rotate: no(DOCS), revoke: no(DOCS) }),
  authorize: { hosts: AUTH, path: "/site/oauth2/authorize", response_type_required: true },
  token: {
    hosts: AUTH,
    path: "/site/oauth2/access_token",
    client_auth: ["basic", "post"],
    life: expiring(7200, { repeats_refresh_token: true }),
    mintAccess: () => `${randomId(60)}==`,
    mintRefresh: () => randomLetters(18),
    answer: (context) => ({ ...tokenBody(context, null), scopes: "account repository pullrequest" }),
  },
  routes: [
    api("GET", "identity", "/2.0/user", ({ account }) => ({
      type: "user",
      uuid: `{${stableUuid("bitbucket", account.email)}}`,
      username: account.name,
      display_name: person(account).full,
      account_id: `712020:${stableUuid("bitbucket account", account.email)}`,
    })),
    api("GET", "resource", "/2.0/repositories", ({ account: { name, org } }) => ({
      pagelen: 10,
      values: [{ type: "repository", uuid: `{${stableUuid("bitbucket repo", org)}}`, full_name: `${name}/hello` }],
    })),
  ],
});
