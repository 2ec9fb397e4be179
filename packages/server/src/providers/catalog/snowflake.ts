/**
 * Snowflake. https://docs.snowflake.com/en/user-guide/oauth-custom (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636, at the account's host. The OAuth client is created with SQL in that
 * account, so each client belongs to one account. The response identifies the user, which needs no
 * extra call.
 */
import { defineProvider } from "../provider.ts";

const HOST = "https://{subdomain}.snowflakecomputing.com";

export const snowflake = defineProvider({
  id: "snowflake",
  display_name: "Snowflake",
  description: "The SQL API of one Snowflake account.",
  vendor: "snowflake",
  docs_url: "https://docs.snowflake.com/en/user-guide/oauth-custom",
  registration: {
    url: "https://docs.snowflake.com/en/sql-reference/sql/create-security-integration-oauth-snowflake",
    notes: [
      "An administrator runs CREATE SECURITY INTEGRATION … TYPE = OAUTH, OAUTH_CLIENT = CUSTOM, with the redirect URI.",
      "SYSTEM$SHOW_OAUTH_CLIENT_SECRETS shows the client id and secret.",
      "Set OAUTH_ISSUE_REFRESH_TOKENS = TRUE.",
    ],
  },
  traps: [
    "Administrator roles (ACCOUNTADMIN, SECURITYADMIN) are blocked for OAuth unless the integration allows them.",
    "To select a role, request the scope session:role:NAME.",
  ],
  authorization_url: `${HOST}/oauth/authorize`,
  token_url: `${HOST}/oauth/token-request`,
  client_auth: "client_secret_basic",
  default_scopes: ["refresh_token"],
  required_scopes: ["refresh_token"],
  common_scopes: [
    { scope: "refresh_token", meaning: "returns a refresh token" },
    { scope: "session:role:PUBLIC", meaning: "act in the role PUBLIC, or in any other role of the user" },
  ],
  lifetime: {
    access_s: 600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 7_776_000,
    refresh_absolute_s: null,
  },
  config_fields: [
    {
      name: "subdomain",
      display_name: "Snowflake Account",
      description: "The account identifier: the part before .snowflakecomputing.com.",
      placeholder: "xy12345.us-east-1",
      required: true,
      default: null,
      pattern: "^[a-z0-9](?:[a-z0-9_-]{0,100}[a-z0-9])?(?:\\.[a-z0-9-]{2,40}){0,3}$",
      validation_error: "Enter only the part before .snowflakecomputing.com, in lowercase, such as xy12345.us-east-1.",
    },
  ],
  derived_config: [{ name: "username", from: "token", path: "username", pattern: "^[A-Za-z0-9_.@$-]{1,255}$" }],
  identity: { from: "token", account: { id: "username", label: "username", email: null } },
  health: {
    method: "POST",
    url: `${HOST}/api/v2/statements`,
    headers: { "x-snowflake-authorization-token-type": "OAUTH" },
    body: { statement: "select current_user()", timeout: 10 },
  },
  revocation: {
    kind: "none",
    note: "An administrator drops the integration or removes the user's delegated authorization.",
  },
  hosts: [{ name: "api", base_url: `${HOST}/api/v2`, request_headers: ["x-snowflake-authorization-token-type"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://docs.snowflake.com/en/user-guide/oauth-custom"],
  unverified: [
    "lifetime: defaults of the integration from memory; get one token, and send one refresh token twice",
    "identity: username in the response from memory; make one exchange",
    "health: some statements need a warehouse; make one call as a user without one",
    "config_fields: underscores in hosts are legal only where the vendor's certificate is; connect such an account",
  ],
});
