/**
 * Asana. https://developers.asana.com/docs/oauth
 *
 * Quirks: the token reply names the user under `data`. A refresh keeps the refresh token.
 * Unverified: lifetimes, the effect of revocation on the other tokens, error texts.
 */
import type { Account, JsonObject } from "../engine/types.ts";
import { person, randomId, stableNumber } from "../engine/values.ts";
import {
  capabilitiesOf,
  defineApi,
  defineVendor,
  denyWith,
  expiring,
  revocation,
  tokenBody,
  unsupported,
} from "./kit.ts";

const DOCS = "https://developers.asana.com/docs/oauth";
const HOSTS = ["app.asana.com"];

const gid = (space: string, value: string): string => `12${stableNumber(`asana ${space}`, value)}000`;

const denied = denyWith((problem) => ({
  errors: [{ message: problem === "scope" ? "Forbidden" : "Not Authorized" }],
}));
const api = defineApi({ hosts: HOSTS, denied });

const user = (account: Account): JsonObject => ({
  gid: gid("user", account.email),
  name: person(account).full,
  email: account.email,
});

export const asana = defineVendor({
  id: "asana",
  name: "Asana",
  capabilities: capabilitiesOf(DOCS, { rotate: unsupported(DOCS) }),
  authorize: { hosts: HOSTS, path: "/-/oauth_authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: HOSTS,
    path: "/-/oauth_token",
    life: expiring(3600),
    newAccessToken: () => `2/${randomId(40)}`,
    newRefreshToken: () => `2/${randomId(40)}:${randomId(20)}`,
    successBody: (context) => ({ ...tokenBody(context, " "), data: user(context.account) }),
  },
  routes: [
    revocation({ hosts: HOSTS, path: "/-/oauth_revoke", client_auth: ["post"], reach: "grant" }),
    api("GET", "identity", "/api/1.0/users/me", ({ account }) => ({ data: user(account) }), ["default", "users:read"]),
    api(
      "GET",
      "resource",
      "/api/1.0/projects",
      ({ account: { org } }) => ({ data: [{ gid: gid("project", org), name: "Launch", resource_type: "project" }] }),
      ["default", "projects:read"],
    ),
  ],
});
