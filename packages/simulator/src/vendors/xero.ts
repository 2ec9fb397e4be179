/**
 * Xero. https://developer.xero.com/documentation/guides/oauth2/auth-flow/
 *
 * Peculiar: the organisations are listed at /connections, and every other call wants one of their ids in a header; a used
 * refresh token works on for 30 minutes; revoking one disconnects the person. Unverified: lifetimes, the reach of
 * revocation, the words of errors.
 */
import { json } from "../engine/answer.ts";
import { errorTable, refreshErrors, spec } from "../engine/errors.ts";
import type { Account, Incoming } from "../engine/types.ts";
import { randomId, stableUuid } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, orgName, plainVendor, revocation, tokenBody, withScope } from "./kit.ts";

const DOCS = "https://developer.xero.com/documentation/guides/oauth2/auth-flow/";
const IDENTITY = ["identity.xero.com"];
const API = ["api.xero.com"];

const tenantId = ({ org }: Account): string => stableUuid("xero", org);

const denied = deniedBy((_problem, Status) => ({
  Type: null,
  Title: Status === 403 ? "Forbidden" : "Unauthorized",
  Status,
  Detail: Status === 403 ? "AuthenticationUnsuccessful" : "TokenExpired",
}));
const precheck = ({ headers }: Incoming) =>
  headers["xero-tenant-id"] === undefined
    ? json(403, { Type: null, Title: "Forbidden", Status: 403, Detail: "AuthenticationUnsuccessful" })
    : null;

export const xero = plainVendor({
  id: "xero",
  name: "Xero",
  capabilities: capable(DOCS),
  authorize: {
    hosts: ["login.xero.com"],
    path: "/identity/connect/authorize",
    response_type_required: true,
    scope_required: true,
    pkce: "supported",
    offline: withScope("offline_access"),
  },
  token: {
    hosts: IDENTITY,
    path: "/connect/token",
    client_auth: ["basic", "post"],
    life: expiring(1800, { rotates: true, reuse_grace_s: 1800, refresh_life_s: 5_184_000 }),
    errors: errorTable({
      bad_secret: spec(400, "invalid_client", ""),
      ...refreshErrors(spec(400, "invalid_grant", "")),
    }),
    errorBody: ({ error }) => ({ error }),
    mintAccess: () => `${randomId(40)}.${randomId(400)}.${randomId(200)}`,
    mintRefresh: () => randomId(32),
    answer: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [
    revocation({ hosts: IDENTITY, path: "/connect/revocation", client_auth: ["basic"], reach: "account" }),
    apiOf({ hosts: API, denied })("GET", "identity", "/connections", ({ account }) => [
      {
        id: stableUuid("xero connection", account.email),
        authEventId: stableUuid("xero event", account.email),
        tenantId: tenantId(account),
        tenantType: "ORGANISATION",
        tenantName: orgName(account),
        createdDateUtc: "2026-01-01T00:00:00.0000000",
        updatedDateUtc: "2026-01-01T00:00:00.0000000",
      },
    ]),
    apiOf({ hosts: API, denied, precheck })(
      "GET",
      "resource",
      "/api.xro/2.0/Organisation",
      ({ account }) => ({ Organisations: [{ OrganisationID: tenantId(account), Name: orgName(account) }] }),
      ["accounting.settings.read", "accounting.settings"],
    ),
  ],
});
