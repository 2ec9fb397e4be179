/**
 * Splitwise. https://dev.splitwise.com/
 *
 * Peculiar: no scopes; an answer of `access_token` and `token_type` only, without end and without refresh. Unverified:
 * all of that, since the vendor's OpenAPI file names only the addresses.
 */
import { randomLetters, stableNumber } from "../engine/values.ts";
import { apiOf, capable, deniedBy, FOREVER, no, person, plainVendor, tokenBody } from "./kit.ts";

const DOCS = "https://dev.splitwise.com/";
const HOSTS = ["secure.splitwise.com"];

const denied = deniedBy(() => ({ error: "Invalid API Request: you are not logged in" }));
const api = apiOf({ hosts: HOSTS, denied });

export const splitwise = plainVendor({
  id: "splitwise",
  name: "Splitwise",
  capabilities: capable(DOCS, { refresh: no(DOCS), rotate: no(DOCS), revoke: no(DOCS) }),
  authorize: { hosts: HOSTS, path: "/oauth/authorize", response_type_required: true, offline: () => false },
  token: {
    hosts: HOSTS,
    path: "/oauth/token",
    life: FOREVER,
    mintAccess: () => randomLetters(40),
    answer: (context) => tokenBody(context, null),
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
