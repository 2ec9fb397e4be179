/**
 * Wrike. https://developers.wrike.com/docs/oauth-20-authorization
 *
 * Quirks: scopes are separated by commas. Every token reply has `host`, without scheme, and a token
 * works only there. A refresh ends both previous tokens, and two concurrent refreshes with one
 * token lock the user out. Unverified: the error at a wrong host, the effect of reuse.
 */
import { json } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import type { Account, TokenRoute } from "../engine/types.ts";
import { person, randomId, stableId, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineVendor, denyWith, expiring, scopeList, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://developers.wrike.com/docs/oauth-20-authorization.md";
const OVERVIEW = "https://developers.wrike.com/overview";
const LOGIN = ["login.wrike.com"];
const DATA_CENTERS = ["www.wrike.com", "app-us2.wrike.com", "app-eu.wrike.com"];

const hostOf = ({ org }: Account): string =>
  DATA_CENTERS[stableNumber("wrike centre", org) % DATA_CENTERS.length] ?? "www.wrike.com";

const denied = denyWith((problem) =>
  problem === "scope"
    ? { errorDescription: "Access is denied", error: "access_forbidden" }
    : { errorDescription: "Access token is unknown or invalid", error: "not_authorized" },
);

const contact = (account: Account) => ({
  id: stableId("wrike", account.email, 8),
  firstName: person(account).first,
  lastName: person(account).last,
  type: "Person",
  profiles: [{ accountId: stableId("wrike account", account.org, 8), email: account.email, role: "User" }],
  me: true,
});

/** Runs a call only at the data center of the account. */
const atDataCenter = (path: string, kind: TokenRoute["kind"], contents: (account: Account) => object): TokenRoute => ({
  hosts: DATA_CENTERS,
  method: "GET",
  path,
  kind,
  auth: "token",
  denied,
  handle: ({ incoming }, { account }) =>
    incoming.host === hostOf(account)
      ? json(200, { kind: path.split("/").at(-1) ?? "", data: [{ ...contents(account) }] })
      : denied("invalid"),
});

export const wrike = defineVendor({
  id: "wrike",
  name: "Wrike",
  capabilities: capabilitiesOf(DOCS, { identity: OVERVIEW, health: OVERVIEW, revoke: unsupported(DOCS) }),
  authorize: { hosts: LOGIN, path: "/oauth2/authorize/v4", scope_lists: scopeList(","), response_type_required: true },
  token: {
    hosts: LOGIN,
    path: "/oauth2/token",
    redirect_uri_required: false,
    life: expiring(3600, { rotates: true, old_access_dies: true }),
    errors: errorTable({
      bad_code: spec(400, "invalid_grant", "Authorization code is invalid"),
      bad_refresh: spec(400, "invalid_grant", "Refresh token is invalid"),
      used_refresh: spec(400, "invalid_grant", "Refresh token is invalid"),
      revoked_refresh: spec(400, "invalid_grant", "Refresh token is invalid"),
    }),
    newAccessToken: () => `eyJ0dCI6InAi.${randomId(64)}`,
    newRefreshToken: () => `${randomId(48)}-N`,
    successBody: (context) => ({ ...tokenBody(context, null), host: hostOf(context.account) }),
  },
  routes: [
    atDataCenter("/api/v4/contacts", "identity", contact),
    atDataCenter("/api/v4/folders", "resource", ({ org }) => ({ id: stableId("wrike folder", org, 8), title: "Root" })),
  ],
});
