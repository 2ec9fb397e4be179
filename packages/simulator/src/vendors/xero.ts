/**
 * Xero. https://developer.xero.com/documentation/guides/oauth2/auth-flow/
 *
 * Quirks: /connections lists the organizations, and every other call requires one of their ids in a
 * header. A used refresh token works for another 30 minutes. Revoking one disconnects the user.
 * Unverified: lifetimes, the effect of revocation on the other tokens, error texts.
 */
import { json } from "../engine/reply.ts";
import { errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import type { Account, Incoming } from "../engine/types.ts";
import { orgName, randomId, stableUuid } from "../engine/values.ts";
import {
  capabilitiesOf,
  defineApi,
  defineVendor,
  denyWith,
  expiring,
  revocation,
  tokenBody,
  withScope,
} from "./kit.ts";

const DOCS = "https://developer.xero.com/documentation/guides/oauth2/auth-flow/";
const IDENTITY = ["identity.xero.com"];
const API = ["api.xero.com"];

const tenantId = ({ org }: Account): string => stableUuid("xero", org);

const denied = denyWith((_problem, Status) => ({
  Type: null,
  Title: Status === 403 ? "Forbidden" : "Unauthorized",
  Status,
  Detail: Status === 403 ? "AuthenticationUnsuccessful" : "TokenExpired",
}));
const precheck = ({ headers }: Incoming) =>
  headers["xero-tenant-id"] === undefined
    ? json(403, { Type: null, Title: "Forbidden", Status: 403, Detail: "AuthenticationUnsuccessful" })
    : null;

export const xero = defineVendor({
  id: "xero",
  name: "Xero",
  capabilities: capabilitiesOf(DOCS),
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
    newAccessToken: () => `${randomId(40)}.${randomId(400)}.${randomId(200)}`,
    newRefreshToken: () => randomId(32),
    successBody: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [
    revocation({ hosts: IDENTITY, path: "/connect/revocation", client_auth: ["basic"], reach: "account" }),
    defineApi({ hosts: API, denied })("GET", "identity", "/connections", ({ account }) => [
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
    defineApi({ hosts: API, denied, precheck })(
      "GET",
      "resource",
      "/api.xro/2.0/Organisation",
      ({ account }) => ({ Organisations: [{ OrganisationID: tenantId(account), Name: orgName(account) }] }),
      ["accounting.settings.read", "accounting.settings"],
    ),
  ],
});
