/**
 * Intercom. https://developers.intercom.com/docs/build-an-integration/learn-more/authentication
 *
 * Quirks: permissions are set on the app. The reply has the token twice, as `token` and
 * `access_token`. It never expires and cannot be refreshed. Unverified: everything but the
 * addresses.
 */
import { orgName, person, randomId, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, FOREVER, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication";
const API = ["api.intercom.io"];

const denied = denyWith(() => ({
  type: "error.list",
  errors: [{ code: "unauthorized", message: "Access Token Invalid" }],
}));
const api = defineApi({ hosts: API, denied });

export const intercom = defineVendor({
  id: "intercom",
  name: "Intercom",
  capabilities: capabilitiesOf(DOCS, {
    refresh: unsupported(DOCS),
    rotate: unsupported(DOCS),
    revoke: unsupported(DOCS),
  }),
  authorize: { hosts: ["app.intercom.com"], path: "/oauth", offline: () => false },
  token: {
    hosts: API,
    path: "/auth/eagle/token",
    life: FOREVER,
    redirect_uri_required: false,
    grant_type_optional: true,
    newAccessToken: () => randomId(45),
    successBody: (context) => ({
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
