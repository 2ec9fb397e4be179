/**
 * Microsoft: one authorization server for Teams, OneDrive, Outlook and SharePoint, and Microsoft
 * Graph. https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow
 *
 * Quirks: the tenant is a segment of the path. A refresh token requires `offline_access`. Each
 * refresh returns a new one, and the old one stays valid. Granted scopes omit `offline_access`.
 * Errors begin with AADSTS and have numbers. No revocation. Unverified: the AADSTS numbers of rare
 * errors, the shapes of Graph replies.
 */
import { createHash } from "node:crypto";
import { outlookRoutes } from "../apis/outlook.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import { signIdToken } from "../engine/oauth/id-token.ts";
import type { Account, ErrorSpec, IssueContext, JsonObject, TokenProblem } from "../engine/types.ts";
import { person, randomId, stableUuid } from "../engine/values.ts";
import {
  capabilitiesOf,
  defineApi,
  defineVendor,
  denyWith,
  expiring,
  tokenBody,
  unsupported,
  withScope,
} from "./kit.ts";

const DOCS = "https://learn.microsoft.com/en-us/entra/identity-platform";
const LOGIN = ["login.microsoftonline.com"];

/** @param number of the AADSTS error. It is part of the text and of `error_codes`. */
const aadsts = (status: number, error: string, number: number, words: string): ErrorSpec =>
  spec(status, error, `AADSTS${number}: ${words}`);

const trace = stableUuid("microsoft", "trace");

function errorBody({ error, description }: ErrorSpec): JsonObject {
  const number = Number(/AADSTS(\d+)/.exec(description)?.[1] ?? 90_000);
  const error_uri = `https://login.microsoftonline.com/error?code=${number}`;
  const ids = { trace_id: trace, correlation_id: trace, error_uri };
  return { error, error_description: description, error_codes: [number], timestamp: "2026-01-01 00:00:00Z", ...ids };
}

const CODES: Readonly<Record<TokenProblem, readonly [string, string]>> = {
  missing: ["InvalidAuthenticationToken", "Access token is empty."],
  invalid: ["InvalidAuthenticationToken", "IDX14100: JWT is not well formed."],
  revoked: ["InvalidAuthenticationToken", "Continuous access evaluation resulted in challenge."],
  expired: ["InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."],
  scope: ["Authorization_RequestDenied", "Insufficient privileges to complete the operation."],
};

const denied = denyWith((problem) => {
  const [code, message] = CODES[problem];
  return { error: { code, message, innerError: { date: "2026-01-01T00:00:00", "request-id": trace } } };
});

const GRAPH = ["graph.microsoft.com"];
const graph = defineApi({ hosts: GRAPH, denied });

const tenantOf = ({ org }: Account): string => stableUuid("microsoft tenant", org);
const objectId = ({ email }: Account): string => stableUuid("microsoft user", email);
const driveId = ({ email }: Account): string => `b!${createHash("sha256").update(email).digest("base64url")}`;

function idToken({ account, client_id, now, nonce }: IssueContext): string {
  const tid = tenantOf(account);
  const iat = Math.floor(now / 1000);
  const times = { iat, nbf: iat, exp: iat + 3600 };
  const profile = { name: person(account).full, preferred_username: account.email, email: account.email };
  const ids = { oid: objectId(account), sub: stableUuid("microsoft sub", `${account.email} ${client_id}`), tid };
  return signIdToken({
    aud: client_id,
    iss: `https://login.microsoftonline.com/${tid}/v2.0`,
    ...times,
    ...profile,
    ...ids,
    nonce,
    ver: "2.0",
  });
}

function successBody(context: IssueContext): JsonObject {
  const [issued] = context.issued;
  const scopes = issued?.scopes ?? [];
  return {
    ...tokenBody(context, null, "Bearer"),
    scope: scopes.filter((scope) => scope !== "offline_access").join(" "),
    ext_expires_in: issued?.expires_in,
    id_token: scopes.includes("openid") ? idToken(context) : undefined,
  };
}

const badGrant = (number: number, words: string) => aadsts(400, "invalid_grant", number, words);
const badClient = aadsts(401, "invalid_client", 7_000_215, "Invalid client secret provided.");

const FILES = ["Files.Read", "Files.ReadWrite", "Files.Read.All", "Files.ReadWrite.All"];
const SITES = ["Sites.Read.All", "Sites.ReadWrite.All", "Sites.Manage.All", "Sites.FullControl.All"];
const TEAMS = ["Team.ReadBasic.All"];

export const microsoft = defineVendor({
  id: "microsoft",
  name: "Microsoft",
  serves: ["microsoft_teams", "one_drive", "outlook", "share_point"],
  capabilities: capabilitiesOf(`${DOCS}/v2-oauth2-auth-code-flow`, {
    refresh: `${DOCS}/refresh-tokens`,
    rotate: `${DOCS}/refresh-tokens`,
    identity: "https://learn.microsoft.com/en-us/graph/api/user-get",
    health: "https://learn.microsoft.com/en-us/graph/api/user-get",
    revoke: unsupported(`${DOCS}/refresh-tokens`),
  }),
  authorize: {
    hosts: LOGIN,
    path: "/:tenant/oauth2/v2.0/authorize",
    response_type_required: true,
    scope_required: true,
    pkce: "supported",
    pkce_plain: true,
    offline: withScope("offline_access"),
    callback: ({ account }) => ({ session_state: stableUuid("microsoft session", account.email) }),
    denied: { error_description: "AADSTS65004: User declined to consent to access the app.", error_subcode: "cancel" },
  },
  token: {
    hosts: LOGIN,
    path: "/:tenant/oauth2/v2.0/token",
    client_auth: ["post", "basic"],
    scope_on_refresh: "honored",
    life: expiring(3599, { rotates: true, reuse_grace_s: Infinity, refresh_life_s: 7_776_000 }),
    errors: errorTable({
      no_client: aadsts(
        400,
        "invalid_request",
        900_144,
        "The request body must contain the following parameter: 'client_id'.",
      ),
      no_secret: badClient,
      bad_secret: badClient,
      wrong_body: aadsts(
        400,
        "invalid_request",
        900_144,
        "The request body must contain the following parameter: 'grant_type'.",
      ),
      bad_grant_type: aadsts(400, "unsupported_grant_type", 70_003, "The app requested an unsupported grant type."),
      bad_code: badGrant(9_002_313, "Invalid request. Request is malformed or invalid."),
      used_code: badGrant(54_005, "OAuth2 Authorization code was already redeemed."),
      expired_code: badGrant(70_008, "The provided authorization code or refresh token has expired."),
      wrong_redirect: badGrant(500_112, "The reply address does not match the one of the authorization request."),
      no_verifier: badGrant(501_481, "The Code_Verifier does not match the code_challenge supplied."),
      bad_verifier: badGrant(501_481, "The Code_Verifier does not match the code_challenge supplied."),
      bad_refresh: badGrant(9_002_313, "Invalid request. Request is malformed or invalid."),
      used_refresh: badGrant(70_000, "The provided grant is invalid or malformed."),
      expired_refresh: badGrant(700_082, "The refresh token has expired due to inactivity."),
      revoked_refresh: badGrant(50_173, "The provided grant has expired due to it being revoked."),
      rate_limited: aadsts(429, "temporarily_unavailable", 90_033, "A transient error has occurred. Please try again."),
      try_later: aadsts(503, "temporarily_unavailable", 90_033, "A transient error has occurred. Please try again."),
    }),
    errorBody,
    newCode: () => `1.${randomId(180)}`,
    newAccessToken: () => `${randomId(30)}.${randomId(300)}.${randomId(80)}`,
    newRefreshToken: () => `1.${randomId(300)}`,
    successBody,
  },
  routes: [
    graph(
      "GET",
      "identity",
      "/v1.0/me",
      ({ account }) => ({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
        id: objectId(account),
        displayName: person(account).full,
        givenName: person(account).first,
        surname: person(account).last,
        mail: account.email,
        userPrincipalName: account.email,
      }),
      ["User.Read"],
    ),
    graph(
      "GET",
      "resource",
      "/v1.0/me/joinedTeams",
      ({ account: { org } }) => ({
        value: [{ id: stableUuid("microsoft team", org), displayName: org, description: "" }],
      }),
      TEAMS,
    ),
    graph(
      "GET",
      "resource",
      "/v1.0/me/drive",
      (caller) => ({ id: driveId(caller.account), driveType: "business" }),
      FILES,
    ),
    graph(
      "GET",
      "resource",
      "/v1.0/me/drive/root/children",
      () => ({ value: [{ id: "01SIM", name: "notes.txt", size: 5 }] }),
      FILES,
    ),
    ...outlookRoutes({ hosts: GRAPH, denied, serves: ["outlook"] }),
    graph(
      "GET",
      "resource",
      "/v1.0/sites/root",
      ({ account: { org } }) => ({
        id: `${org}.sharepoint.com,${stableUuid("microsoft site", org)}`,
        webUrl: `https://${org}.sharepoint.com`,
      }),
      SITES,
    ),
    graph(
      "GET",
      "resource",
      "/v1.0/sites/:host/sites/:site",
      ({ account: { org } }, { params }) => ({
        id: `${params["host"] ?? ""},${stableUuid("microsoft site", params["site"] ?? "")}`,
        webUrl: `https://${org}.sharepoint.com/sites/${params["site"] ?? ""}`,
      }),
      SITES,
    ),
    graph(
      "GET",
      "resource",
      "/v1.0/sites/:site",
      ({ account: { org } }, { params }) => ({
        id: params["site"] ?? "",
        webUrl: `https://${org}.sharepoint.com`,
      }),
      SITES,
    ),
  ],
});
