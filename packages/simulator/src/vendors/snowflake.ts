/**
 * Snowflake, at the host of each account. https://docs.snowflake.com/en/user-guide/oauth-custom
 *
 * Quirks: authorization server and API are the account's own host. HTTP Basic. A token expires
 * after ten minutes. A refresh token requires scope `refresh_token`. The reply has `username`, and
 * no call returns it. Single-use refresh tokens are a setting of the integration (mode `rotate`).
 * The health check lists databases. Unverified: nearly everything. Only the addresses have two
 * sources.
 */
import { errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import { randomId, stableUuid } from "../engine/values.ts";
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

const DOCS = "https://docs.snowflake.com/en/user-guide/oauth-custom";
const REST = "https://docs.snowflake.com/en/developer-guide/snowflake-rest-api/snowflake-rest-api";
const HOSTS = [/^[a-z0-9](?:[a-z0-9_-]{0,100}[a-z0-9])?(?:\.[a-z0-9-]{2,40}){0,3}\.snowflakecomputing\.com$/];

const denied = denyWith((problem) => ({
  code: problem === "expired" ? "390318" : "390303",
  message: problem === "expired" ? "OAuth access token expired." : "Invalid OAuth access token.",
}));

const api = defineApi({ hosts: HOSTS, denied });

const badRefresh = spec(400, "invalid_grant", "This is an invalid refresh token.");

export const snowflake = defineVendor({
  id: "snowflake",
  name: "Snowflake",
  capabilities: capabilitiesOf(DOCS, { health: REST, revoke: unsupported(DOCS) }),
  realm: (host) => host,
  authorize: {
    hosts: HOSTS,
    path: "/oauth/authorize",
    response_type_required: true,
    pkce: "supported",
    offline: withScope("refresh_token"),
  },
  token: {
    hosts: HOSTS,
    path: "/oauth/token-request",
    client_auth: ["basic"],
    life: expiring(600, { refresh_life_s: 7_776_000 }),
    errors: errorTable({
      bad_secret: spec(400, "invalid_client", "This is an invalid client."),
      ...refreshErrors(badRefresh),
    }),
    newAccessToken: () => `ver:1-hint:1036-ETMsDgAAAX${randomId(160)}`,
    newRefreshToken: () => `ver:2-hint:1036-did:2005-ETMsDgAAAX${randomId(160)}`,
    successBody: (context) => ({
      ...tokenBody(context, " ", "Bearer"),
      refresh_token_expires_in: context.issued[0]?.refresh_token_expires_in,
      username: context.account.name.toUpperCase(),
      idp_initiated: false,
    }),
  },
  routes: [
    api("GET", "other", "/api/v2/databases", ({ account }) => [
      { name: "SALES", owner: "SYSADMIN", comment: account.org, kind: "STANDARD" },
    ]),
    api("POST", "resource", "/api/v2/statements", ({ account }) => ({
      code: "090001",
      statementHandle: stableUuid("snowflake statement", account.email),
      message: "Statement executed successfully.",
      resultSetMetaData: { numRows: 1, format: "jsonv2" },
      data: [[account.name.toUpperCase()]],
    })),
  ],
});
