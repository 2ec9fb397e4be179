/**
 * Intercom. https://developers.intercom.com/docs/build-an-integration/learn-more/authentication
 *
 * Peculiar: permissions are the app's; the answer has the token twice, as `token` and `access_token`; it has no end and no
 * refresh. Unverified: all but the addresses.
 */
import { randomId, stableNumber } from "../engine/values.ts";
import { apiOf, capable, deniedBy, FOREVER, no, orgName, person, plainVendor, tokenBody } from "./kit.ts";

const DOCS = "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication";
const API = ["api.intercom.io"];

const denied = deniedBy(() => ({
  type: "error.list",
  errors: [{ code: "unauthorized", message: "Access Token Invalid" }],
}));
const api = apiOf({ hosts: API, denied });

export const intercom = plainVendor({
  id: "intercom",
  name: "Intercom",
  capabilities: capable(DOCS, { refresh: no(DOCS), rotate: no(DOCS), revoke: no(DOCS) }),
  authorize: { hosts: ["app.intercom.com"], path: "/oauth", offline: () => false },
  token: {
    hosts: API,
    path: "/auth/eagle/token",
    life: FOREVER,
    redirect_uri_required: false,
    grant_type_optional: true,
    mintAccess: () => randomId(45),
    answer: (context) => ({
      ...tokenBody(context, null),
      token_type: undefined,
      token: context.issued[0]?.access_token,
    }),
  },
  routes: [
    api("GET", "identity", "/me", ({ account }) => ({
      type: "admin",
      id: String(stableNumber("intercom", account.email)),
      name: person(account).full,
      email: account.email,
      email_verified: true,
      app: { type: "app", id_code: account.org, name: orgName(account) },
    })),
    api("GET", "resource", "/contacts", () => ({ type: "list", data: [], total_count: 0 })),
  ],
});
