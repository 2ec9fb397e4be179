/**
 * Front. https://dev.frontapp.com/docs/oauth
 *
 * Quirks: scopes are set on the app. A token belongs to a company. Unverified: lifetimes, rotation
 * (assumed single-use), error texts.
 */
import { orgName, randomId, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://dev.frontapp.com/docs/oauth";
const AUTH = ["app.frontapp.com"];

const denied = denyWith((_problem, status) => ({
  _error: { status, title: "Unauthenticated", message: "JSON Web Token is not valid" },
}));
const api = defineApi({ hosts: ["api2.frontapp.com"], denied });

export const front = defineVendor({
  id: "front",
  name: "Front",
  capabilities: capabilitiesOf(DOCS, { revoke: unsupported(DOCS) }),
  authorize: { hosts: AUTH, path: "/oauth/authorize", response_type_required: true },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    client_auth: ["basic", "post"],
    life: expiring(3600, { rotates: true, refresh_life_s: 15_552_000 }),
    newAccessToken: () => `${randomId(40)}.${randomId(200)}.${randomId(60)}`,
    newRefreshToken: () => `${randomId(40)}.${randomId(200)}.${randomId(60)}`,
    successBody: (context) => tokenBody(context, null, "Bearer"),
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
