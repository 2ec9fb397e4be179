/**
 * Wrike. https://developers.wrike.com/docs/oauth-20-authorization
 *
 * Peculiar: comma scopes; every token answer names `host`, without scheme, and a token works there only; a refresh kills
 * both tokens before it, and two at once with one token lock the user out. Unverified: which error a wrong host gives,
 * the reach of reuse.
 */
import { json } from "../engine/answer.ts";
import { errorTable, spec } from "../engine/errors.ts";
import type { Account, TokenRoute } from "../engine/types.ts";
import { randomId, stableId, stableNumber } from "../engine/values.ts";
import { capable, deniedBy, expiring, no, person, plainVendor, scopeList, tokenBody } from "./kit.ts";

const DOCS = "https://developers.wrike.com/docs/oauth-20-authorization.md";
const OVERVIEW = "https://developers.wrike.com/overview";
const LOGIN = ["login.wrike.com"];
const CENTRES = ["www.wrike.com", "app-us2.wrike.com", "app-eu.wrike.com"];

const hostOf = ({ org }: Account): string =>
  CENTRES[stableNumber("wrike centre", org) % CENTRES.length] ?? "www.wrike.com";

const denied = deniedBy((problem) =>
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

/** Runs a call only at the data centre that keeps the account. */
const atCentre = (path: string, kind: TokenRoute["kind"], give: (account: Account) => object): TokenRoute => ({
  hosts: CENTRES,
  method: "GET",
  path,
  kind,
  auth: "token",
  denied,
  handle: ({ incoming }, { account }) =>
    incoming.host === hostOf(account)
      ? json(200, { kind: path.split("/").at(-1) ?? "", data: [{ ...give(account) }] })
      : denied("invalid"),
});

export const wrike = plainVendor({
  id: "wrike",
  name: "Wrike",
  capabilities: capable(DOCS, { identity: OVERVIEW, health: OVERVIEW, revoke: no(DOCS) }),
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
    mintAccess: () => `eyJ0dCI6InAi.${randomId(64)}`,
    mintRefresh: () => `${randomId(48)}-N`,
    answer: (context) => ({ ...tokenBody(context, null), host: hostOf(context.account) }),
  },
  routes: [
    atCentre("/api/v4/contacts", "identity", contact),
    atCentre("/api/v4/folders", "resource", ({ org }) => ({ id: stableId("wrike folder", org, 8), title: "Root" })),
  ],
});
