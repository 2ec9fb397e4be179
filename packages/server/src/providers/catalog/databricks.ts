/**
 * Databricks. https://docs.databricks.com/aws/en/dev-tools/auth/oauth-u2m (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636, at the workspace's host. Lifetimes and single-use refresh tokens are
 * settings of the app. Refresh tokens are treated as single use, which is correct with the setting
 * and harmless without.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://{host}/api/2.0/preview/scim/v2/Me" } as const;
const DOMAINS = [
  "cloud.databricks.com",
  "gcp.databricks.com",
  "azuredatabricks.net",
  "databricks.us",
  "databricks.azure.us",
];

export const databricks = defineProvider({
  id: "databricks",
  display_name: "Databricks",
  description: "SQL, jobs and files of one Databricks workspace.",
  vendor: "databricks",
  docs_url: "https://docs.databricks.com/aws/en/dev-tools/auth/oauth-u2m",
  registration: {
    url: "https://accounts.cloud.databricks.com/settings/app-connections",
    notes: ["An account administrator adds an app connection with the redirect URI and a client secret."],
  },
  traps: ["An OAuth client belongs to one Databricks account. Workspaces of another account need their own client."],
  authorization_url: "https://{host}/oidc/v1/authorize",
  token_url: "https://{host}/oidc/v1/token",
  client_auth: "client_secret_basic",
  default_scopes: ["all-apis"],
  // Returns a refresh token.
  required_scopes: ["offline_access"],
  common_scopes: [
    { scope: "all-apis", meaning: "every API of the workspace" },
    { scope: "sql", meaning: "SQL warehouses and queries" },
  ],
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  config_fields: [
    {
      name: "host",
      display_name: "Workspace host",
      description: "The host in the workspace's address.",
      placeholder: "dbc-a1b2c3d4-e5f6.cloud.databricks.com",
      required: true,
      default: null,
      pattern: "^[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?$",
      under: DOMAINS,
      validation_error: "Enter the host alone, such as dbc-a1b2c3d4-e5f6.cloud.databricks.com.",
    },
  ],
  identity: { from: "request", request: me, account: { id: "id", label: "displayName", email: "userName" } },
  health: me,
  revocation: { kind: "none", note: "No revocation endpoint was found. An administrator can remove the app." },
  hosts: [{ name: "api", base_url: "https://{host}/api/2.0", binary_media_types: ["application/octet-stream"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://docs.databricks.com/aws/en/dev-tools/auth/oauth-u2m",
    "https://learn.microsoft.com/azure/databricks/integrations/manage-oauth",
  ],
  unverified: [
    "authorization_url, token_url, client_auth: one source each; complete one consent in a workspace of each cloud",
    "lifetime: settings of the app; get one token, and send one refresh token twice",
    "common_scopes: sql from memory; complete one consent with it",
    "identity: paths from memory; make one call",
  ],
});
