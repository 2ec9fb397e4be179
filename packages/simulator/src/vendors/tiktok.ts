/**
 * TikTok. https://developers.tiktok.com/doc/oauth-user-access-token-management
 *
 * Quirks:
 * - `client_key` replaces `client_id`.
 * - Scopes are separated by commas, and the callback has `scopes`.
 * - State is required.
 * - A PKCE challenge is the digest in hex, so a standard one fails at the exchange.
 * - Errors have HTTP 200.
 * - Trailing slashes are part of the paths.
 * - The previous refresh token stops working once a new one is issued.
 * - API replies always have `error`, with the code `ok` on success.
 *
 * Unverified: which errors have HTTP 200 (here: all), the effect of revocation on the other tokens.
 */
import { json } from "../engine/reply.ts";
import { clientErrors, codeErrors, errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import type { Account, Caller, ErrorSpec, Json, JsonObject, Reply, TokenProblem } from "../engine/types.ts";
import { person, randomId, randomLetters, stableUuid } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, expiring, revocation, scopeList, tokenBody } from "./kit.ts";

const DOCS = "https://developers.tiktok.com/doc/oauth-user-access-token-management";
const USER = "https://developers.tiktok.com/doc/tiktok-api-v2-get-user-info";
const API = ["open.tiktokapis.com"];
const LOG_ID = "20260101000000SIMULATOR0000000000";

const failed = (error: string, description: string): ErrorSpec => spec(200, error, description);
const errorBody = ({ error, description }: ErrorSpec): JsonObject => ({
  error,
  error_description: description,
  log_id: LOG_ID,
});
const badCode = failed("invalid_grant", "Authorization code is expired or invalid.");
const badRefresh = failed("invalid_grant", "Refresh token is invalid or expired.");
const badClient = failed("invalid_client", "Client key or secret is incorrect.");

const status = (code: string, message: string): JsonObject => ({ error: { code, message, log_id: LOG_ID } });

function denied(problem: TokenProblem): Reply {
  const scope = status("scope_not_authorized", "The user did not authorize the scope required.");
  const token = status("access_token_invalid", "The access token is invalid or not found in the request.");
  return json(401, problem === "scope" ? scope : token);
}

const openId = (account: Account, client_id: string): string =>
  `-000${stableUuid("tiktok", `${account.email} ${client_id}`)}`;

const base = defineApi({ hosts: API, denied });
const api = (
  method: "GET" | "POST",
  kind: "identity" | "resource",
  path: string,
  scope: string,
  data: (caller: Caller) => Json,
) => base(method, kind, path, (caller) => ({ data: data(caller), ...status("ok", "") }), [scope]);

export const tiktok = defineVendor({
  id: "tiktok",
  name: "TikTok",
  capabilities: capabilitiesOf(DOCS, {
    connect: "https://developers.tiktok.com/doc/login-kit-web",
    refresh: "https://developers.tiktok.com/docs/en/oauth-refresh-a-user-access-token",
    rotate: "https://developers.tiktok.com/docs/en/oauth-refresh-a-user-access-token",
    identity: USER,
    health: USER,
  }),
  authorize: {
    hosts: ["www.tiktok.com"],
    path: "/v2/auth/authorize/",
    names: { client_id: "client_key" },
    scope_lists: scopeList(","),
    scope_required: true,
    response_type_required: true,
    pkce: "supported",
    challenge_encoding: "hex",
    state_min_length: 1,
    callback: ({ scopes }) => ({ scopes: scopes.join(",") }),
    denied: { error_description: "User denied access", errCode: "-2" },
  },
  token: {
    hosts: API,
    path: "/v2/oauth/token/",
    client_id_field: "client_key",
    life: expiring(7200, { rotates: true, refresh_life_s: 15_552_000, on_reuse: "refused" }),
    errors: errorTable({
      ...clientErrors(badClient),
      wrong_body: failed("invalid_request", "The request parameters are malformed."),
      bad_grant_type: failed("unsupported_grant_type", "Unsupported grant type."),
      ...codeErrors(badCode),
      wrong_redirect: failed("invalid_request", "Redirect_uri is not matched with the uri when requesting code."),
      no_verifier: failed("invalid_request", "Code verifier or code challenge is invalid."),
      bad_verifier: failed("invalid_request", "Code verifier or code challenge is invalid."),
      ...refreshErrors(badRefresh),
      rate_limited: spec(429, "rate_limit_exceeded", "The API rate limit was exceeded."),
      try_later: spec(500, "internal_error", "Internal error."),
    }),
    errorBody,
    // The application must pass on the special characters at the end unchanged.
    newCode: () => `${randomId(48)}*0!${randomLetters(4)}.va`,
    newAccessToken: () => `act.${randomLetters(64)}!${randomLetters(4)}.va`,
    newRefreshToken: () => `rft.${randomLetters(64)}!${randomLetters(4)}.va`,
    successBody: (context) => ({
      ...tokenBody(context, ",", "Bearer"),
      open_id: openId(context.account, context.client_id),
      refresh_expires_in: context.issued[0]?.refresh_token_expires_in,
    }),
  },
  routes: [
    revocation({
      hosts: API,
      path: "/v2/oauth/revoke/",
      client_auth: ["post"],
      reach: "account",
      success: () => json(200, {}),
      unknownToken: () => json(200, errorBody(failed("invalid_request", "Token is invalid."))),
    }),
    api("GET", "identity", "/v2/user/info/", "user.info.basic", ({ account, client_id }) => ({
      user: {
        open_id: openId(account, client_id),
        union_id: stableUuid("tiktok union", account.email),
        avatar_url: "https://p16.tiktokcdn.example/avatar.webp",
        display_name: person(account).full,
      },
    })),
    api("POST", "resource", "/v2/video/list/", "video.list", () => ({ videos: [], cursor: 0, has_more: false })),
  ],
});
