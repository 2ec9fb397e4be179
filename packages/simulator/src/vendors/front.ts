/**
 * Front. https://dev.frontapp.com/docs/oauth
 *
 * Peculiar: scopes are the app's; a token belongs to a company. Unverified: lifetimes, rotation (taken as one-time), the
 * words of errors.
 */
import { randomId, stableId } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, no, orgName, plainVendor, tokenBody } from "./kit.ts";

const DOCS = "https://dev.frontapp.com/docs/oauth";
const AUTH = ["app.frontapp.com"];

const denied = deniedBy((_problem, status) => ({
  _error: { status, title: "Unauthenticated", message: "JSON Web Token is not valid" },
}));
const api = apiOf({ hosts: ["api2.frontapp.com"], denied });

export const front = plainVendor({
  id: "front",
  name: "Front",
  capabilities: capable(DOCS, { revoke: no(DOCS) }),
  authorize: { hosts: AUTH, path: "/oauth/authorize", response_type_required: true },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    client_auth: ["basic", "post"],
    life: expiring(3600, { rotates: true, refresh_life_s: 15_552_000 }),
    mintAccess: () => `${randomId(40)}.${randomId(200)}.${randomId(60)}`,
    mintRefresh: () => `${randomId(40)}.${randomId(200)}.${randomId(60)}`,
    answer: (context) => tokenBody(context, null, "Bearer"),
  },
  routes: [
    api("GET", "identity", "/me", ({ account }) => ({
      _links: { self: "https://api2.frontapp.com/me" },
      id: `cmp_${stableId("front", account.org, 6).toLowerCase()}`,
      name: orgName(account),
    })),
    api("GET", "resource", "/inboxes", ({ account: { org } }) => ({
      _results: [{ id: `inb_${stableId("front inbox", org, 6).toLowerCase()}`, name: "Support" }],
    })),
  ],
});
