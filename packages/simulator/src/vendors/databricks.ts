/**
 * Databricks, at the host of each workspace. https://docs.databricks.com/aws/en/dev-tools/auth/oauth-u2m
 *
 * Peculiar: authorization server and API are the workspace's own host; PKCE required; HTTP Basic; a refresh token only with
 * `offline_access`. Rotation is set per app (mode `rotate`). Unverified: nearly all; only the addresses were read.
 */
import { errorTable, spec } from "../engine/errors.ts";
import { randomId, stableNumber } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, no, person, plainVendor, tokenBody, withScope } from "./kit.ts";

const DOCS = "https://docs.databricks.com/aws/en/dev-tools/auth/oauth-u2m";
const APPS = "https://learn.microsoft.com/azure/databricks/integrations/manage-oauth";
const HOSTS = [
  /^[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?\.(?:cloud\.databricks\.com|azuredatabricks\.net|gcp\.databricks\.com|databricks\.us)$/,
];

const denied = deniedBy((problem) =>
  problem === "scope"
    ? { error_code: "PERMISSION_DENIED", message: "Provided OAuth token does not have required scopes." }
    : { error_code: "UNAUTHENTICATED", message: "Credential was not sent or was of an unsupported type for this API." },
);

const api = apiOf({ hosts: HOSTS, denied });

export const databricks = plainVendor({
  id: "databricks",
  name: "Databricks",
  capabilities: capable(DOCS, { refresh: APPS, rotate: APPS, revoke: no(DOCS) }),
  realm: (host) => host,
  authorize: {
    hosts: HOSTS,
    path: "/oidc/v1/authorize",
    response_type_required: true,
    scope_required: true,
    pkce: "required",
    offline: withScope("offline_access"),
  },
  token: {
    hosts: HOSTS,
    path: "/oidc/v1/token",
    client_auth: ["basic"],
    life: expiring(3600),
    errors: errorTable({ bad_refresh: spec(400, "invalid_grant", "Refresh token is invalid") }),
    mintAccess: () => `${randomId(40)}.${randomId(400)}.${randomId(200)}`,
    mintRefresh: () => `doau${randomId(48)}`,
    answer: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [
    api("GET", "identity", "/api/2.0/preview/scim/v2/Me", ({ account }) => ({
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
      id: String(stableNumber("databricks", account.email)),
      userName: account.email,
      displayName: person(account).full,
      emails: [{ value: account.email, type: "work", primary: true }],
      active: true,
    })),
    api("GET", "resource", "/api/2.0/clusters/list", () => ({ clusters: [] }), ["all-apis", "clusters"]),
  ],
});
