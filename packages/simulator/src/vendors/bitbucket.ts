/**
 * Bitbucket Cloud. https://developer.atlassian.com/cloud/bitbucket/oauth-2/
 *
 * Quirks: scopes are set on the OAuth consumer, and the reply lists them as `scopes`. A refresh
 * keeps the refresh token. Unverified: lifetimes, error texts.
 */
import type { JsonObject } from "../engine/types.ts";
import { person, randomId, randomLetters, stableUuid } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://developer.atlassian.com/cloud/bitbucket/oauth-2/";
const AUTH = ["bitbucket.org"];

const denied = denyWith((): JsonObject => ({
  type: "error",
  error: { message: "Access token expired. Use your refresh token to obtain a new access token." },
}));
const api = defineApi({ hosts: ["api.bitbucket.org"], denied });

export const bitbucket = defineVendor({
  id: "bitbucket",
  name: "Bitbucket",
  capabilities: capabilitiesOf(DOCS, { rotate: unsupported(DOCS), revoke: unsupported(DOCS) }),
  authorize: { hosts: AUTH, path: "/site/oauth2/authorize", response_type_required: true },
  token: {
    hosts: AUTH,
    path: "/site/oauth2/access_token",
    client_auth: ["basic", "post"],
    life: expiring(7200, { repeats_refresh_token: true }),
    newAccessToken: () => `${randomId(60)}==`,
    newRefreshToken: () => randomLetters(18),
    successBody: (context) => ({ ...tokenBody(context, null), scopes: "account repository pullrequest" }),
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
