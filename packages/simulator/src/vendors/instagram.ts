/**
 * Instagram with business login.
 * https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/business-login
 *
 * Quirks: the code yields a token of one hour. `GET graph.instagram.com/access_token` exchanges it
 * for a token of 60 days. `GET .../refresh_access_token` renews that one once it is a day old.
 * There are no refresh tokens, and both calls carry their secrets in the query. Scopes are
 * separated by commas. Unverified: the flat reply of the code exchange (from public clients, the
 * guide shows it inside `data`), that renewed tokens stay valid, error texts. No revocation found.
 */
import { json } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import { bearer } from "../engine/http/incoming.ts";
import type { Account, Caller, Incoming, Reply, RouteContext, TokenProblem, TokenRoute } from "../engine/types.ts";
import { person, randomLetters, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, FOREVER, scopeList, unsupported } from "./kit.ts";

const PLATFORM = "https://developers.facebook.com/docs/instagram-platform";
const DOCS = `${PLATFORM}/instagram-api-with-instagram-login/business-login`;
const REFERENCE = "https://developers.facebook.com/documentation/instagram-platform/reference";
const GRAPH = ["graph.instagram.com"];
const SHORT_S = 3600;
const LONG_S = 5_184_000;
const DAY_S = 86_400;

const graphError = (status: number, message: string, code: number): Reply =>
  json(status, { error: { message, type: "OAuthException", code, fbtrace_id: "ASimulatedTraceId00000000" } });

function denied(problem: TokenProblem): Reply {
  if (problem === "scope") return graphError(403, "Application does not have permission for this action", 10);
  if (problem === "expired") return graphError(400, "Error validating access token: Session has expired", 190);
  return graphError(problem === "missing" ? 400 : 401, "Invalid OAuth access token - Cannot parse access token", 190);
}

const presented = (incoming: Incoming): string | null => incoming.query.get("access_token") ?? bearer(incoming);

const api = defineApi({ hosts: GRAPH, denied, presented });

const userId = ({ email }: Account): string => `1784${stableNumber("instagram", email)}`.padEnd(17, "0");

/** Reports whether a token is long-lived: issued for more than an hour. */
const isLong = ({ token_age_s, expires_in }: Caller): boolean => token_age_s + (expires_in ?? 0) > SHORT_S + 1;

function exchange({ incoming, renew, secretOf }: RouteContext, caller: Caller): Reply {
  const { query } = incoming;
  if (query.get("grant_type") !== "ig_exchange_token") return graphError(400, "Invalid grant_type", 100);
  if (query.get("client_secret") !== secretOf(caller.client_id)) {
    return graphError(400, "Error validating client secret.", 1);
  }
  return long(renew(caller, LONG_S));
}

function refresh({ incoming, renew }: RouteContext, caller: Caller): Reply {
  if (incoming.query.get("grant_type") !== "ig_refresh_token") return graphError(400, "Invalid grant_type", 100);
  if (!isLong(caller)) return graphError(400, "Only long-lived tokens can be refreshed", 100);
  if (caller.token_age_s < DAY_S) return graphError(400, "The token must be at least 24 hours old", 100);
  return long(renew(caller, LONG_S));
}

const long = ({ access_token, expires_in }: ReturnType<RouteContext["renew"]>): Reply =>
  json(200, { access_token, token_type: "bearer", expires_in });

const renewal = { hosts: GRAPH, method: "GET", auth: "token", presented, denied } as const;
const renewals: readonly TokenRoute[] = [
  {
    ...renewal,
    path: "/access_token",
    kind: "code_exchange",
    secrets_in_query: ["access_token", "client_secret"],
    handle: exchange,
  },
  { ...renewal, path: "/refresh_access_token", kind: "refresh", secrets_in_query: ["access_token"], handle: refresh },
];

const BASIC = ["instagram_business_basic"];
const me = ({ account }: Caller) => ({
  id: userId(account),
  user_id: userId(account),
  username: account.name,
  name: person(account).full,
  account_type: "BUSINESS",
});

export const instagram = defineVendor({
  id: "instagram",
  name: "Instagram",
  capabilities: capabilitiesOf(DOCS, {
    refresh: `${REFERENCE}/refresh_access_token`,
    rotate: unsupported(`${REFERENCE}/refresh_access_token`),
    identity: `${PLATFORM}/reference/me`,
    health: `${PLATFORM}/reference/me`,
    revoke: unsupported(DOCS),
  }),
  authorize: {
    hosts: ["www.instagram.com"],
    path: "/oauth/authorize",
    scope_lists: scopeList(","),
    scope_required: true,
    response_type_required: true,
    offline: () => false,
    denied: { error_reason: "user_denied", error_description: "The user denied your request." },
  },
  token: {
    hosts: ["api.instagram.com"],
    path: "/oauth/access_token",
    life: { ...FOREVER, access_life_s: SHORT_S, announces_expiry: true },
    errors: errorTable({
      bad_secret: spec(400, "OAuthException", "Error validating client secret."),
      bad_code: spec(400, "OAuthException", "Invalid authorization code"),
      used_code: spec(400, "OAuthException", "This authorization code has been used"),
      expired_code: spec(400, "OAuthException", "This authorization code has expired"),
      wrong_redirect: spec(
        400,
        "OAuthException",
        "Error validating verification code. Please make sure your redirect_uri is identical",
      ),
      bad_grant_type: spec(400, "OAuthException", "Invalid grant_type"),
      revoked_refresh: spec(
        400,
        "OAuthException",
        "Error validating access token: The user has not authorized application",
      ),
    }),
    errorBody: ({ status, error, description }) => ({ error_type: error, code: status, error_message: description }),
    // The renewal calls are Graph calls, and fail like those.
    render: ({ host }, status, body) =>
      GRAPH.includes(host) && typeof body["error_message"] === "string"
        ? graphError(status, body["error_message"], 190)
        : json(status, body),
    newAccessToken: () => `IGAA${randomLetters(160)}`,
    successBody: ({ issued: [issued], account }) => ({
      access_token: issued?.access_token,
      user_id: userId(account),
      permissions: issued?.scopes ?? [],
    }),
  },
  routes: [
    ...renewals,
    { ...api("GET", "identity", "/me", me, BASIC), secrets_in_query: ["access_token"] },
    { ...api("GET", "identity", "/:version/me", me, BASIC), secrets_in_query: ["access_token"] },
    { ...api("GET", "resource", "/me/media", () => ({ data: [] }), BASIC), secrets_in_query: ["access_token"] },
    {
      ...api("GET", "resource", "/:version/me/media", () => ({ data: [] }), BASIC),
      secrets_in_query: ["access_token"],
    },
  ],
});
