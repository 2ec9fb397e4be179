/**
 * TikTok. https://developers.tiktok.com/doc/oauth-user-access-token-management
 *
 * Peculiar: `client_key` in place of `client_id`; comma scopes, `scopes` in the callback; state required; a PKCE
 * challenge is the digest in hex, so that a usual one fails at the exchange; errors come with HTTP 200; trailing slashes
 * belong to the paths; the previous refresh token stops working once a new one is issued; API answers always carry
 * `error`, whose code is `ok` on success. Unverified: which errors have HTTP 200 (here all), the reach of revocation.
 */
import { json } from "../engine/answer.ts";
import { clientErrors, codeErrors, errorTable, refreshErrors, spec } from "../engine/errors.ts";
import type { Account, Answer, Caller, ErrorSpec, Json, JsonObject, TokenProblem } from "../engine/types.ts";
import { randomId, randomLetters, stableUuid } from "../engine/values.ts";
import { apiOf, capable, expiring, person, plainVendor, revocation, scopeList, tokenBody } from "./kit.ts";

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

function denied(problem: TokenProblem): Answer {
  const scope = status("scope_not_authorized", "The user did not authorize the scope required.");
  const token = status("access_token_invalid", "The access token is invalid or not found in the request.");
  return json(401, problem === "scope" ? scope : token);
}

const openId = (account: Account, client_id: string): string =>
  `-000${stableUuid("tiktok", `${account.email} ${client_id}`)}`;

const base = apiOf({ hosts: API, denied });
const api = (
  method: "GET" | "POST",
  kind: "identity" | "resource",
  path: string,
  scope: string,
  data: (caller: Caller) => Json,
) => base(method, kind, path, (caller) => ({ data: data(caller), ...status("ok", "") }), [scope]);

export const tiktok = plainVendor({
  id: "tiktok",
  name: "TikTok",
  capabilities: capable(DOCS, {
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
    // The signs at the end must survive decoding and encoding on the way.
    mintCode: () => `${randomId(48)}*0!${randomLetters(4)}.va`,
    mintAccess: () => `act.${randomLetters(64)}!${randomLetters(4)}.va`,
    mintRefresh: () => `rft.${randomLetters(64)}!${randomLetters(4)}.va`,
    answer: (context) => ({
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
      done: () => json(200, {}),
      unknown: () => json(200, errorBody(failed("invalid_request", "Token is invalid."))),
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
