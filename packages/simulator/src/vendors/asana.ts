/**
 * Asana. https://developers.asana.com/docs/oauth
 *
 * Peculiar: the token answer names the person under `data`; the refresh token stays. Unverified: lifetimes, the reach of
 * revocation, the words of errors.
 */
import type { Account, JsonObject } from "../engine/types.ts";
import { randomId, stableNumber } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, no, person, plainVendor, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://developers.asana.com/docs/oauth";
const HOSTS = ["app.asana.com"];

const gid = (space: string, value: string): string => `12${stableNumber(`asana ${space}`, value)}000`;

const denied = deniedBy((problem) => ({
  errors: [{ message: problem === "scope" ? "Forbidden" : "Not Authorized" }],
}));
const api = apiOf({ hosts: HOSTS, denied });

const user = (account: Account): JsonObject => ({
  gid: gid("user", account.email),
  name: person(account).full,
  email: account.email,
});

export const asana = plainVendor({
  id: "asana",
  name: "Asana",
  capabilities: capable(DOCS, { rotate: no(DOCS) }),
  authorize: { hosts: HOSTS, path: "/-/oauth_authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: HOSTS,
    path: "/-/oauth_token",
    life: expiring(3600),
    mintAccess: () => `2/${randomId(40)}`,
    mintRefresh: () => `2/${randomId(40)}:${randomId(20)}`,
    answer: (context) => ({ ...tokenBody(context, " "), data: user(context.account) }),
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
