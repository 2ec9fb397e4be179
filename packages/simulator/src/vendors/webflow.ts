/**
 * Webflow. https://developers.webflow.com/data/reference/oauth-app
 *
 * Peculiar: tokens without end and without refresh; revocation wants the token as `access_token`. Unverified: all but the
 * addresses.
 */
import { json } from "../engine/answer.ts";
import { randomLetters, stableId } from "../engine/values.ts";
import { apiOf, capable, deniedBy, FOREVER, no, person, plainVendor, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://developers.webflow.com/data/reference/oauth-app";
const REVOKE = "https://developers.webflow.com/data/v1.0.0/docs/oauth";
const AUTH = ["webflow.com"];
const API = ["api.webflow.com"];

const denied = deniedBy((problem) =>
  problem === "scope"
    ? { code: "missing_scopes", message: "OAuthForbidden: You are missing the following scopes", details: [] }
    : { code: "not_authorized", message: "Request not authorized", details: [] },
);
const api = apiOf({ hosts: API, denied });

const id = (space: string, value: string): string => stableId(`webflow ${space}`, value, 24).toLowerCase();

export const webflow = plainVendor({
  id: "webflow",
  name: "Webflow",
  capabilities: capable(DOCS, { refresh: no(DOCS), rotate: no(DOCS), revoke: REVOKE }),
  authorize: { hosts: AUTH, path: "/oauth/authorize", response_type_required: true, offline: () => false },
  token: {
    hosts: API,
    path: "/oauth/access_token",
    life: FOREVER,
    redirect_uri_required: false,
    mintAccess: () => `WF_${randomLetters(64)}`,
    answer: (context) => tokenBody(context, " "),
  },
  routes: [
    revocation({
      hosts: AUTH,
      path: "/oauth/revoke_authorization",
      client_auth: ["post"],
      fields: ["access_token"],
      body: ["form", "json"],
      reach: "grant",
      done: () => json(200, { did_revoke: true }),
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
