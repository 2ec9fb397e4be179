/**
 * HubSpot.
 * https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens
 *
 * Quirks:
 * - Endpoints are dated.
 * - A second list, `optional_scope`, leads to the same token.
 * - The reply has `scopes` as an array, and `hub_id`.
 * - Errors have the RFC's fields beside `status` and `message`.
 * - A refresh keeps the refresh token and repeats it.
 * - Introspection with the client's credentials identifies the token's user.
 * - Only a refresh token can be revoked. Access tokens stay valid.
 *
 * Unverified: `scopes` and `user_id` in the reply.
 */
import { correlationId, hubspotRoutes } from "../apis/hubspot.ts";
import { json } from "../engine/reply.ts";
import { clientErrors, codeErrors, errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import type { Account, OpenRoute, Reply, RouteContext, TokenProblem } from "../engine/types.ts";
import { randomLetters, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens";
const PAGES = "https://developers.hubspot.com/docs/api-reference";
const API = ["api.hubapi.com"];

const STATUSES: Readonly<Record<string, string>> = {
  invalid_client: "BAD_CLIENT_SECRET",
  invalid_grant: "BAD_REFRESH_TOKEN",
  rate_limit_exceeded: "RATE_LIMITED",
};

const errorBody = ({ error, description }: { readonly error: string; readonly description: string }) => {
  const status = description.includes("auth code") ? "BAD_AUTH_CODE" : (STATUSES[error] ?? "BAD_REQUEST");
  return { status, message: description, correlationId, error, error_description: description };
};

const badCode = spec(400, "invalid_grant", "missing or unknown auth code");
const badRefresh = spec(400, "invalid_grant", "missing or invalid refresh token");
const badClient = spec(401, "invalid_client", "missing or invalid client id or secret");

const CATEGORIES: Partial<Record<TokenProblem, string>> = {
  scope: "MISSING_SCOPES",
  expired: "EXPIRED_AUTHENTICATION",
};

const denied = denyWith((problem) => {
  const message =
    problem === "scope" ? "This app hasn't been granted all required scopes." : "The OAuth token is not valid.";
  return { status: "error", message, correlationId, category: CATEGORIES[problem] ?? "INVALID_AUTHENTICATION" };
});

const api = defineApi({ hosts: API, denied });

const portal = ({ org, email }: Account) => ({
  hub_id: stableNumber("hubspot hub", org) % 100_000_000,
  user_id: stableNumber("hubspot user", email) % 100_000_000,
});

function introspect({ incoming, checkClient, inspect }: RouteContext): Reply {
  if (!checkClient("post").ok) return json(badClient.status, errorBody(badClient));
  const caller = inspect(incoming.fields.get("token") ?? "");
  if (caller === null) return json(200, { active: false });
  const { account, scopes, client_id, expires_in } = caller;
  const identity = { ...portal(account), hub_domain: `${account.org}.example`, user: account.email };
  const app_id = stableNumber("hubspot app", client_id);
  return json(200, {
    active: true,
    token_use: "access_token",
    token_type: "bearer",
    ...identity,
    scopes,
    app_id,
    expires_in,
  });
}

function revoke({ incoming, checkClient, revokeToken, inspect }: RouteContext): Reply {
  const client = checkClient("post");
  if (!client.ok) return json(badClient.status, errorBody(badClient));
  const token = incoming.fields.get("token") ?? "";
  const refresh = inspect(token) === null && revokeToken(token, "token", client.client_id) !== null;
  return refresh ? json(200, {}) : json(badRefresh.status, errorBody(badRefresh));
}

const open = { hosts: API, method: "POST", auth: "none" } as const;
const routes: readonly OpenRoute[] = [
  { ...open, path: "/oauth/2026-03/token/introspect", kind: "identity", handle: introspect },
  { ...open, path: "/oauth/2026-03/token/revoke", kind: "revoke", handle: revoke },
];

export const hubspot = defineVendor({
  id: "hubspot",
  name: "HubSpot",
  capabilities: capabilitiesOf(DOCS, {
    rotate: unsupported(`${PAGES}/2026-03/authentication/oauth-tokens/refresh-oauth-token`),
    identity: `${PAGES}/2026-03/authentication/oauth-tokens/token-introspect`,
    revoke: `${PAGES}/latest/authentication/oauth-tokens/revoke-token.md`,
  }),
  authorize: {
    hosts: ["app.hubspot.com"],
    path: "/oauth/authorize",
    scope_required: true,
    pkce: "supported",
    scope_lists: [
      { label: "scopes", param: "scope", separator: " " },
      { label: "scopes", param: "optional_scope", separator: " " },
    ],
  },
  token: {
    hosts: API,
    path: "/oauth/2026-03/token",
    life: expiring(1800, { repeats_refresh_token: true }),
    errors: errorTable({
      ...clientErrors(badClient),
      ...codeErrors(badCode),
      ...refreshErrors(badRefresh),
    }),
    errorBody,
    // Longer than most tokens: HubSpot documents 300 characters and more.
    newAccessToken: () => `CN${randomLetters(330)}`,
    newRefreshToken: () => `na1-${randomLetters(4)}-${randomLetters(36)}`,
    successBody: (context) => ({
      ...tokenBody(context, null),
      ...portal(context.account),
      scopes: context.issued[0]?.scopes ?? [],
    }),
  },
  routes: [
    ...routes,
    api("GET", "other", "/account-info/v3/details", ({ account }) => ({
      portalId: portal(account).hub_id,
      accountType: "STANDARD",
      timeZone: "UTC",
      uiDomain: "app.hubspot.com",
    })),
    ...hubspotRoutes({ hosts: API, denied }),
  ],
});
