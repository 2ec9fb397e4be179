/**
 * QuickBooks.
 * https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0
 *
 * Quirks: the company is `realmId` in the callback, not in the reply. HTTP Basic. The lifetime of
 * the refresh token is `x_refresh_token_expires_in`. A refresh repeats the refresh token, and
 * replaces it about once a day (with mode `rotate`: each time). Unverified: lifetimes, error texts,
 * `name` in userinfo.
 */
import { errorTable, spec } from "../engine/oauth/errors.ts";
import { json } from "../engine/reply.ts";
import { signIdToken } from "../engine/oauth/id-token.ts";
import type { Account, IssueContext, JsonObject, TokenRoute } from "../engine/types.ts";
import { orgName, person, randomId, stableNumber, stableUuid } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0";
const TOKEN = ["oauth.platform.intuit.com"];

const realmId = ({ org }: Account): string => `9341${stableNumber("quickbooks", org)}`.padEnd(15, "0");

const denied = denyWith((problem) => ({
  fault: {
    error: [
      problem === "scope"
        ? { message: "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403", code: "3100" }
        : { message: "message=AuthenticationFailed; errorCode=003200; statusCode=401", code: "3200" },
    ],
    type: problem === "scope" ? "AUTHORIZATION" : "AUTHENTICATION",
  },
}));

const api = defineApi({ hosts: ["quickbooks.api.intuit.com"], denied });
const accounts = defineApi({ hosts: ["accounts.platform.intuit.com"], denied });

function successBody(context: IssueContext): JsonObject {
  const { issued, account, client_id, now, leg } = context;
  const iat = Math.floor(now / 1000);
  const claims = { iss: "https://oauth.platform.intuit.com/op/v1", aud: [client_id], iat, exp: iat + 3600 };
  const openid = leg === "exchange" && issued[0]?.scopes.includes("openid") === true;
  return {
    ...tokenBody(context, null),
    x_refresh_token_expires_in: issued[0]?.refresh_token_expires_in,
    id_token: openid ? signIdToken({ ...claims, sub: subject(account), realmid: realmId(account) }) : undefined,
  };
}

const subject = ({ email }: Account): string => stableUuid("quickbooks user", email);

const company: TokenRoute = {
  ...api("GET", "resource", "/v3/company/:realm/companyinfo/:id", () => null, ["com.intuit.quickbooks.accounting"]),
  handle: ({ params }, { account }) => {
    if (params["realm"] !== realmId(account)) return denied("scope");
    const CompanyInfo = { Id: "1", CompanyName: orgName(account), Country: "US", SyncToken: "0" };
    return json(200, { CompanyInfo, time: "2026-01-01T00:00:00.000-08:00" });
  },
};

export const quickbooks = defineVendor({
  id: "quickbooks",
  name: "QuickBooks",
  capabilities: capabilitiesOf(DOCS),
  authorize: {
    hosts: ["appcenter.intuit.com"],
    path: "/connect/oauth2",
    response_type_required: true,
    scope_required: true,
    callback: ({ account }) => ({ realmId: realmId(account) }),
  },
  token: {
    hosts: TOKEN,
    path: "/oauth2/v1/tokens/bearer",
    client_auth: ["basic"],
    life: expiring(3600, { refresh_life_s: 8_726_400, repeats_refresh_token: true }),
    errors: errorTable({
      bad_refresh: spec(400, "invalid_grant", "Incorrect Token type or clientID"),
      revoked_refresh: spec(400, "invalid_grant", "Token invalid"),
    }),
    newCode: () => `XAB${randomId(30)}`,
    newAccessToken: () => `${randomId(40)}..${randomId(300)}.${randomId(20)}`,
    newRefreshToken: () => `RT1-${randomId(40)}`,
    successBody,
  },
  routes: [
    revocation({
      hosts: ["developer.api.intuit.com"],
      path: "/v2/oauth2/tokens/revoke",
      client_auth: ["basic"],
      body: ["json", "form"],
      reach: "grant",
    }),
    accounts(
      "GET",
      "identity",
      "/v1/openid_connect/userinfo",
      ({ account }) => ({
        sub: subject(account),
        name: person(account).full,
        givenName: person(account).first,
        familyName: person(account).last,
        email: account.email,
        emailVerified: true,
      }),
      ["openid"],
    ),
    company,
  ],
});
