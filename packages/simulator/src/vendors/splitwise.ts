/**
 * Splitwise. https://dev.splitwise.com/
 *
 * Quirks: no scopes. The reply has only `access_token` and `token_type`: no expiry, no refresh.
 * Unverified: all of this. The vendor's OpenAPI file only has the addresses.
 */
import { person, randomLetters, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, FOREVER, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://dev.splitwise.com/";
const HOSTS = ["secure.splitwise.com"];

const denied = denyWith(() => ({ error: "Invalid API Request: you are not logged in" }));
const api = defineApi({ hosts: HOSTS, denied });

export const splitwise = defineVendor({
  id: "splitwise",
  name: "Splitwise",
  capabilities: capabilitiesOf(DOCS, {
    refresh: unsupported(DOCS),
    rotate: unsupported(DOCS),
    revoke: unsupported(DOCS),
  }),
  authorize: { hosts: HOSTS, path: "/oauth/authorize", response_type_required: true, offline: () => false },
  token: {
    hosts: HOSTS,
    path: "/oauth/token",
    life: FOREVER,
    newAccessToken: () => randomLetters(40),
    successBody: (context) => tokenBody(context, null),
  },
  routes: [
    api("GET", "identity", "/api/v3.0/get_current_user", ({ account }) => {
      const { first, last, email } = person(account);
      const id = stableNumber("splitwise", email);
      return { user: { id, first_name: first, last_name: last, email, registration_status: "confirmed" } };
    }),
    api("GET", "resource", "/api/v3.0/get_groups", ({ account: { org } }) => ({
      groups: [{ id: stableNumber("splitwise group", org), name: org, members: [] }],
    })),
  ],
});
