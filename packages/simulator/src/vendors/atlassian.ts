/**
 * Atlassian, for Jira and Confluence Cloud.
 * https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
 *
 * Quirks: `accessible-resources` lists the sites, and their ids are in the API's paths. A refresh
 * token requires `offline_access`. Each works once, with a grace period of ten minutes. A rejected
 * one is HTTP 403. Unverified: the grace period, the status, lifetimes.
 */
import { json } from "../engine/reply.ts";
import { codeErrors, errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import type { Account, TokenRoute } from "../engine/types.ts";
import { person, randomId, stableNumber, stableUuid } from "../engine/values.ts";
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

const DOCS = "https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/";
const AUTH = ["auth.atlassian.com"];
const API = ["api.atlassian.com"];

const badRefresh = spec(403, "invalid_grant", "Unknown or invalid refresh token.");
const denied = denyWith((problem, code) => ({
  code,
  message: problem === "scope" ? "Unauthorized; scope does not match" : "Unauthorized",
}));
const api = defineApi({ hosts: API, denied });

const cloudId = ({ org }: Account): string => stableUuid("jira cloud", org);
const accountId = ({ email }: Account): string => `712020:${stableUuid("jira", email)}`;

const myself: TokenRoute = {
  serves: ["jira"],
  ...api("GET", "resource", "/ex/jira/:cloud/rest/api/3/myself", () => null, ["read:jira-user"]),
  handle: ({ params }, { account }) => {
    if (params["cloud"] !== cloudId(account)) return json(404, { code: 404, message: "No message available" });
    const { full, email } = person(account);
    return json(200, { accountId: accountId(account), emailAddress: email, displayName: full, active: true });
  },
};

const spaces: TokenRoute = {
  serves: ["confluence"],
  ...api("GET", "resource", "/ex/confluence/:cloud/wiki/rest/api/space", () => null, ["read:confluence-space.summary"]),
  handle: ({ params }, { account }) =>
    params["cloud"] === cloudId(account)
      ? json(200, { results: [{ id: stableNumber("confluence space", account.org), key: "HOME", name: "Home" }] })
      : json(404, { code: 404, message: "No message available" }),
};

export const atlassian = defineVendor({
  id: "atlassian",
  name: "Atlassian",
  serves: ["jira", "confluence"],
  capabilities: capabilitiesOf(DOCS, { revoke: unsupported(DOCS) }),
  authorize: {
    hosts: AUTH,
    path: "/authorize",
    response_type_required: true,
    scope_required: true,
    offline: withScope("offline_access"),
    denied: { error_description: "User did not authorize the request" },
  },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    body: ["form", "json"],
    life: expiring(3600, { rotates: true, reuse_grace_s: 600, refresh_life_s: 7_776_000 }),
    errors: errorTable({
      bad_secret: spec(401, "access_denied", "Unauthorized"),
      ...codeErrors(spec(403, "invalid_grant", "Invalid authorization code")),
      ...refreshErrors(badRefresh),
    }),
    newAccessToken: () => `${randomId(40)}.${randomId(400)}.${randomId(200)}`,
    newRefreshToken: () => `${randomId(40)}.${randomId(200)}`,
    successBody: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [
    api(
      "GET",
      "identity",
      "/me",
      ({ account }) => ({
        account_type: "atlassian",
        account_id: accountId(account),
        email: account.email,
        name: person(account).full,
        nickname: account.name,
        account_status: "active",
      }),
      ["read:me"],
    ),
    api("GET", "other", "/oauth/token/accessible-resources", ({ account, scopes }) => [
      {
        id: cloudId(account),
        url: `https://${account.org}.atlassian.net`,
        name: account.org,
        scopes: scopes.filter((scope) => /jira|confluence/.test(scope)),
        avatarUrl: `https://site-admin-avatar-cdn.example/${stableNumber("jira avatar", account.org)}.png`,
      },
    ]),
    myself,
    spaces,
  ],
});
