/**
 * Contentful. https://www.contentful.com/developers/docs/extensibility/oauth/
 *
 * Quirks: tokens never expire and cannot be refreshed. Unverified: nearly everything. Only the
 * addresses have two sources. Older guides show the implicit grant, which is not simulated: it
 * gives the token to a browser, where no server can receive it.
 */
import { person, randomLetters, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, FOREVER, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://www.contentful.com/developers/docs/extensibility/oauth/";
const AUTH = ["be.contentful.com"];

const denied = denyWith((problem) => ({
  sys: { type: "Error", id: problem === "scope" ? "AccessDenied" : "AccessTokenInvalid" },
  message: "The access token you sent could not be found or is invalid.",
  requestId: "00000000-0000-4000-a000-000000000000",
}));

const api = defineApi({ hosts: ["api.contentful.com"], denied });

export const contentful = defineVendor({
  id: "contentful",
  name: "Contentful",
  capabilities: capabilitiesOf(DOCS, {
    refresh: unsupported(DOCS),
    rotate: unsupported(DOCS),
    revoke: unsupported(DOCS),
  }),
  authorize: {
    hosts: AUTH,
    path: "/oauth/authorize",
    response_type_required: true,
    scope_required: true,
    offline: () => false,
  },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    life: FOREVER,
    newAccessToken: () => `CFPAT-${randomLetters(43)}`,
    successBody: (context) => tokenBody(context, " "),
  },
  routes: [
    api("GET", "identity", "/users/me", ({ account }) => ({
      sys: { type: "User", id: stableId("contentful", account.email, 22) },
      firstName: person(account).first,
      lastName: person(account).last,
      email: account.email,
      activated: true,
    })),
    api("GET", "resource", "/spaces", ({ account: { org } }) => ({
      sys: { type: "Array" },
      total: 1,
      skip: 0,
      limit: 25,
      items: [{ name: org, sys: { type: "Space", id: stableId("contentful space", org, 12).toLowerCase() } }],
    })),
  ],
});
