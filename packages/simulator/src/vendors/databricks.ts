/**
 * Databricks, at the host of each workspace.
 * https://docs.databricks.com/aws/en/dev-tools/auth/oauth-u2m
 *
 * Quirks: authorization server and API are the workspace's own host. PKCE is required. HTTP Basic.
 * A refresh token requires `offline_access`. Rotation is a setting of the app (mode `rotate`).
 * Unverified: nearly everything. Only the addresses were read.
 */
import { errorTable, spec } from "../engine/oauth/errors.ts";
import { person, randomId, stableNumber } from "../engine/values.ts";
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

const DOCS = "https://docs.databricks.com/aws/en/dev-tools/auth/oauth-u2m";
const APPS = "https://learn.microsoft.com/azure/databricks/integrations/manage-oauth";
const HOSTS = [
  /^[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?\.(?:cloud\.databricks\.com|azuredatabricks\.net|gcp\.databricks\.com|databricks\.us)$/,
];

const denied = denyWith((problem) =>
  problem === "scope"
    ? { error_code: "PERMISSION_DENIED", message: "Provided OAuth token does not have required scopes." }
    : { error_code: "UNAUTHENTICATED", message: "Credential was not sent or was of an unsupported type for this API." },
);

const api = defineApi({ hosts: HOSTS, denied });

export const databricks = defineVendor({
  id: "databricks",
  name: "Databricks",
  capabilities: capabilitiesOf(DOCS, { refresh: APPS, rotate: APPS, revoke: unsupported(DOCS) }),
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
    newAccessToken: () => `${randomId(40)}.${randomId(400)}.${randomId(200)}`,
    newRefreshToken: () => `doau${randomId(48)}`,
    successBody: (context) => tokenBody(context, " ", "Bearer"),
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
