/**
 * Salesforce: login, test and My Domain hosts, and the instance host in `instance_url`.
 * https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm&type=5
 *
 * Quirks: PKCE is required. No `expires_in`, although sessions end after two hours. `issued_at` is
 * a string in ms. `signature` is an HMAC over id and issued_at. A refresh token requires scope
 * refresh_token or offline_access. A token works only at its own instance.
 */
import { createHmac } from "node:crypto";
import { salesforceRoutes } from "../apis/salesforce.ts";
import { empty, json, text } from "../engine/reply.ts";
import { errorTable, rfcErrorBody, spec } from "../engine/oauth/errors.ts";
import type {
  Account,
  Caller,
  HostMatch,
  IssueContext,
  JsonObject,
  Reply,
  RouteContext,
  TokenProblem,
  Vendor,
} from "../engine/types.ts";
import { DEFAULT_ORG, randomLetters, stableId } from "../engine/values.ts";
import { capabilitiesOf } from "./kit.ts";

const DOCS = "https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm&type=5";
const MY_DOMAIN =
  /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.(?:sandbox|develop|scratch|demo|trailblaze|patch|stage|pc-rnd))?\.my\.salesforce\.com$/;
const HOSTS: readonly HostMatch[] = ["login.salesforce.com", "test.salesforce.com", MY_DOMAIN];
const SESSION_S = 7200;
const IDENTITY_SCOPES = ["id", "profile", "email", "openid", "full"];

const grantError = (description: string) => spec(400, "invalid_grant", description);
const deadRefresh = grantError("expired access/refresh token");

function instanceHost(consent_host: string, { org }: Account): string {
  if (consent_host.endsWith(".my.salesforce.com")) return consent_host;
  const name = org.replaceAll(".", "-");
  return consent_host === "test.salesforce.com"
    ? `${name}--dev.sandbox.my.salesforce.com`
    : `${name}.my.salesforce.com`;
}

const orgId = ({ org }: Account): string =>
  org === DEFAULT_ORG ? "00DSIM000000001AAA" : `00DSIM${stableId("salesforce org", org, 12)}`;
const userId = ({ email }: Account): string => `005SIM${stableId("salesforce user", email, 12)}`;

function identityUrl(consent_host: string, account: Account): string {
  const host = consent_host === "test.salesforce.com" ? consent_host : "login.salesforce.com";
  return `https://${host}/id/${orgId(account)}/${userId(account)}`;
}

function successBody({ issued: [issued], account, consent_host, client_secret, now }: IssueContext): JsonObject {
  const id = identityUrl(consent_host, account);
  const issued_at = String(now);
  return {
    access_token: issued?.access_token,
    refresh_token: issued?.refresh_token,
    signature: createHmac("sha256", client_secret)
      .update(id + issued_at)
      .digest("base64"),
    scope: issued?.scopes.join(" "),
    instance_url: `https://${instanceHost(consent_host, account)}`,
    id,
    token_type: "Bearer",
    issued_at,
  };
}

const apiError = (status: number, errorCode: string, message: string): Reply => json(status, [{ message, errorCode }]);

const badSession = (): Reply => apiError(401, "INVALID_SESSION_ID", "Session expired or invalid");

function denied(problem: TokenProblem): Reply {
  if (problem !== "scope") return badSession();
  return apiError(403, "INVALID_SESSION_ID", "This session is not valid for use with the REST API");
}

const identityDenied = (problem: TokenProblem): Reply =>
  text(403, problem === "missing" ? "Missing_OAuth_Token" : "Bad_OAuth_Token");

function revoke({ incoming, revokeToken }: RouteContext): Reply {
  const token = incoming.fields.get("token") ?? incoming.query.get("token") ?? "";
  // Revoking a refresh token ends its access tokens, too. Revoking an access token ends only that
  // token.
  const revoked = token.startsWith("5Aep") ? revokeToken(token, "grant") : revokeToken(token, "token");
  if (revoked !== null) return empty(200);
  return json(400, { error: "invalid_token", error_description: "invalid token" });
}

function userinfo(_: RouteContext, { account, consent_host }: Caller): Reply {
  return json(200, {
    sub: identityUrl(consent_host, account),
    user_id: userId(account),
    organization_id: orgId(account),
    preferred_username: account.email,
    nickname: account.name,
    name: account.name,
    email: account.email,
    email_verified: true,
  });
}

/** Runs an API call only at the token's own instance. */
const atInstance =
  (handle: (context: RouteContext, caller: Caller) => Reply) =>
  (context: RouteContext, caller: Caller): Reply =>
    context.incoming.host === instanceHost(caller.consent_host, caller.account)
      ? handle(context, caller)
      : badSession();

export const salesforce: Vendor = {
  id: "salesforce",
  name: "Salesforce",
  serves: ["salesforce"],
  capabilities: capabilitiesOf(DOCS),
  authorize: {
    hosts: HOSTS,
    path: "/services/oauth2/authorize",
    scope_lists: [{ label: "scopes", param: "scope", separator: " " }],
    response_type_required: true,
    pkce: "required",
    offline: ({ scopes }) => scopes.includes("refresh_token") || scopes.includes("offline_access"),
    denied: { error_description: "end-user denied authorization" },
  },
  token: {
    hosts: HOSTS,
    path: "/services/oauth2/token",
    client_auth: ["post", "basic"],
    body: ["form"],
    code_life_s: 900,
    redirect_uri_required: true,
    errors: errorTable({
      no_client: spec(400, "invalid_client_id", "client identifier invalid"),
      no_secret: spec(400, "invalid_client", "invalid client credentials"),
      bad_secret: spec(400, "invalid_client", "invalid client credentials"),
      wrong_body: spec(400, "unsupported_grant_type", "grant type not supported"),
      bad_grant_type: spec(400, "unsupported_grant_type", "grant type not supported"),
      bad_code: grantError("invalid authorization code"),
      used_code: grantError("expired authorization code"),
      expired_code: grantError("expired authorization code"),
      wrong_redirect: spec(400, "redirect_uri_mismatch", "redirect_uri must match configuration"),
      no_verifier: grantError("missing code verifier"),
      bad_verifier: grantError("invalid code verifier"),
      bad_refresh: deadRefresh,
      used_refresh: deadRefresh,
      expired_refresh: deadRefresh,
      revoked_refresh: deadRefresh,
      try_later: spec(400, "unknown_error", "retry your request"),
    }),
    errorBody: rfcErrorBody,
    policy: (modes) => ({
      access_life_s: SESSION_S,
      announces_expiry: false,
      rotates: modes.has("rotate"),
      old_access_dies: false,
      refresh_life_s: null,
    }),
    newCode: () => `aPrx${randomLetters(60)}`,
    newAccessToken: () => `00DSIM000000001!AQ${randomLetters(90)}`,
    newRefreshToken: () => `5Aep${randomLetters(84)}`,
    successBody,
  },
  routes: [
    { hosts: HOSTS, method: "POST", path: "/services/oauth2/revoke", kind: "revoke", auth: "none", handle: revoke },
    {
      hosts: HOSTS,
      method: "GET",
      path: "/services/oauth2/userinfo",
      kind: "identity",
      auth: "token",
      scopes: IDENTITY_SCOPES,
      denied: identityDenied,
      handle: userinfo,
    },
    ...salesforceRoutes({ hosts: [MY_DOMAIN], denied }, atInstance),
  ],
};
