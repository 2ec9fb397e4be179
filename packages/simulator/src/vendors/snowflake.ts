/**
 * Snowflake, at the host of each account. https://docs.snowflake.com/en/user-guide/oauth-custom
 *
 * Peculiar: authorization server and API are the account's own host; HTTP Basic; ten minutes per token; a refresh token
 * only with scope `refresh_token`; the answer names `username`, and there is no call for it. Single-use refresh tokens
 * are set per integration (mode `rotate`). Unverified: nearly all; only the addresses have two sources. The health
 * check lists databases.
 */
import { errorTable, refreshErrors, spec } from "../engine/errors.ts";
import { randomId, stableUuid } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, no, plainVendor, tokenBody, withScope } from "./kit.ts";

const DOCS = "https://docs.snowflake.com/en/user-guide/oauth-custom";
const REST = "https://docs.snowflake.com/en/developer-guide/snowflake-rest-api/snowflake-rest-api";
const HOSTS = [/^[a-z0-9](?:[a-z0-9_-]{0,100}[a-z0-9])?(?:\.[a-z0-9-]{2,40}){0,3}\.snowflakecomputing\.com$/];

const denied = deniedBy((problem) => ({
  code: problem === "expired" ? "390318" : "390303",
  message: problem === "expired" ? "OAuth access token expired." : "Invalid OAuth access token.",
}));

const api = apiOf({ hosts: HOSTS, denied });

const badRefresh = spec(400, "invalid_grant", "This is an invalid refresh token.");

export const snowflake = plainVendor({
  id: "snowflake",
  name: "Snowflake",
  capabilities: capable(DOCS, { health: REST, revoke: no(DOCS) }),
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
    mintAccess: () => `ver:1-hint:1036-ETMsDgAAAX${randomId(160)}`,
    mintRefresh: () => `ver:2-hint:1036-did:2005-ETMsDgAAAX${randomId(160)}`,
    answer: (context) => ({
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
