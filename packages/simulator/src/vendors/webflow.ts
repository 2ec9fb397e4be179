/**
 * Webflow. https://developers.webflow.com/data/reference/oauth-app
 *
 * Quirks: tokens never expire and cannot be refreshed. Revocation takes the token as
 * `access_token`. Unverified: everything but the addresses.
 */
import { json } from "../engine/reply.ts";
import { person, randomLetters, stableId } from "../engine/values.ts";
import {
  capabilitiesOf,
  defineApi,
  defineVendor,
  denyWith,
  FOREVER,
  revocation,
  tokenBody,
  unsupported,
} from "./kit.ts";

const DOCS = "https://developers.webflow.com/data/reference/oauth-app";
const REVOKE = "https://developers.webflow.com/data/v1.0.0/docs/oauth";
const AUTH = ["webflow.com"];
const API = ["api.webflow.com"];

const denied = denyWith((problem) =>
  problem === "scope"
    ? { code: "missing_scopes", message: "OAuthForbidden: You are missing the following scopes", details: [] }
    : { code: "not_authorized", message: "Request not authorized", details: [] },
);
const api = defineApi({ hosts: API, denied });

const id = (space: string, value: string): string => stableId(`webflow ${space}`, value, 24).toLowerCase();

export const webflow = defineVendor({
  id: "webflow",
  name: "Webflow",
  capabilities: capabilitiesOf(DOCS, { refresh: unsupported(DOCS), rotate: unsupported(DOCS), revoke: REVOKE }),
  authorize: { hosts: AUTH, path: "/oauth/authorize", response_type_required: true, offline: () => false },
  token: {
    hosts: API,
    path: "/oauth/access_token",
    life: FOREVER,
    redirect_uri_required: false,
    newAccessToken: () => `WF_${randomLetters(64)}`,
    successBody: (context) => tokenBody(context, " "),
  },
  routes: [
    revocation({
      hosts: AUTH,
      path: "/oauth/revoke_authorization",
      client_auth: ["post"],
      fields: ["access_token"],
      body: ["form", "json"],
      reach: "grant",
      success: () => json(200, { did_revoke: true }),
    }),
    api(
      "GET",
      "identity",
      "/v2/token/authorized_by",
      ({ account }) => ({
        id: id("user", account.email),
        email: account.email,
        firstName: person(account).first,
        lastName: person(account).last,
      }),
      ["authorized_user:read"],
    ),
    api(
      "GET",
      "resource",
      "/v2/sites",
      ({ account: { org } }) => ({ sites: [{ id: id("site", org), shortName: org }] }),
      ["sites:read"],
    ),
  ],
});
