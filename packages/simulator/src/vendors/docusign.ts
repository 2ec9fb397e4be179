/**
 * DocuSign, production and demo. https://developers.docusign.com/platform/auth/authcode/
 *
 * Quirks: the profile names an API host for each account. With `extended`, each refresh returns a
 * refresh token for another 30 days. Unverified: the effect of reuse, error texts.
 */
import type { Account } from "../engine/types.ts";
import { orgName, person, randomId, stableUuid } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://developers.docusign.com/platform/auth/authcode/";
const AUTH = ["account.docusign.com", "account-d.docusign.com"];
const API = [/^[a-z0-9-]+\.docusign\.net$/];

const accountId = ({ org }: Account): string => stableUuid("docusign account", org);

const denied = denyWith((problem) => ({
  errorCode: problem === "scope" ? "CONSENT_REQUIRED" : "AUTHORIZATION_INVALID_TOKEN",
  message: "The access token provided is expired, revoked or malformed.",
}));

export const docusign = defineVendor({
  id: "docusign",
  name: "DocuSign",
  capabilities: capabilitiesOf(DOCS, { revoke: unsupported(DOCS) }),
  realm: (host) => (host.startsWith("account-d.") || host.startsWith("demo.") ? "demo" : "production"),
  authorize: {
    hosts: AUTH,
    path: "/oauth/auth",
    response_type_required: true,
    scope_required: true,
    pkce: "supported",
  },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    client_auth: ["basic"],
    life: expiring(28_800, { rotates: true, refresh_life_s: 2_592_000 }),
    newAccessToken: () => `${randomId(40)}.${randomId(400)}.${randomId(200)}`,
    newRefreshToken: () => `${randomId(40)}.${randomId(200)}`,
    successBody: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [
    defineApi({ hosts: AUTH, denied })("GET", "identity", "/oauth/userinfo", ({ account, consent_host }) => ({
      sub: stableUuid("docusign", account.email),
      name: person(account).full,
      given_name: person(account).first,
      family_name: person(account).last,
      created: "2020-01-01T00:00:00.000",
      email: account.email,
      accounts: [
        {
          account_id: accountId(account),
          is_default: true,
          account_name: orgName(account),
          base_uri: consent_host.startsWith("account-d.") ? "https://demo.docusign.net" : "https://na3.docusign.net",
        },
      ],
    })),
    defineApi({ hosts: API, denied })(
      "GET",
      "resource",
      "/restapi/v2.1/accounts",
      ({ account }) => ({ accounts: [{ accountId: accountId(account), accountName: orgName(account) }] }),
      ["signature"],
    ),
  ],
});
