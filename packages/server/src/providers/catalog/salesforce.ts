/**
 * Salesforce.
 * https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm
 * (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636, at a host that differs per org. Consent and tokens are at
 * `hostname`, the API at `instance_url`. Every token response repeats `instance_url`, since orgs
 * can move. There is no `expires_in`. Rotation is a policy of the app. Refresh tokens are treated
 * as single use, which is correct with the policy and harmless without.
 */
import { defineProvider } from "../provider.ts";

const DOMAINS = ["salesforce.com", "salesforce.mil", "force.com", "cloudforce.com", "sfcrmproducts.cn"];
const userinfo = { method: "GET", url: "https://{hostname}/services/oauth2/userinfo" } as const;

export const salesforce = defineProvider({
  id: "salesforce",
  display_name: "Salesforce",
  description: "CRM objects, reports and files of one Salesforce org.",
  vendor: "salesforce",
  docs_url: "https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm&type=5",
  registration: {
    url: "https://login.salesforce.com/lightning/setup/ManageExternalClientApplication/home",
    notes: ["Register an External Client App. Connected Apps can no longer be created.", "Leave PKCE required."],
  },
  traps: [
    "The org's session policy sets token lifetimes. It can also expire unused refresh tokens.",
    "A user can have at most five refresh tokens per app. Older ones are revoked without notice.",
  ],
  authorization_url: "https://{hostname}/services/oauth2/authorize",
  token_url: "https://{hostname}/services/oauth2/token",
  client_auth: "client_secret_post",
  default_scopes: ["api"],
  // Without refresh_token the connection ends with the session. With id the account is read from
  // userinfo.
  required_scopes: ["refresh_token", "id"],
  common_scopes: [
    { scope: "api", meaning: "REST, SOAP and Bulk APIs" },
    { scope: "full", meaning: "everything except the refresh token" },
    { scope: "chatter_api", meaning: "Chatter" },
    { scope: "content", meaning: "Content files" },
    { scope: "cdp_query_api", meaning: "Data Cloud queries" },
  ],
  authorization_params: { prompt: "consent" },
  lifetime: {
    access_s: 7200,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  config_fields: [
    {
      name: "hostname",
      display_name: "Salesforce login host",
      description: "login.salesforce.com for production, test.salesforce.com for sandboxes, or the org's My Domain.",
      placeholder: "acme.my.salesforce.com",
      required: false,
      default: "login.salesforce.com",
      pattern:
        "^(?:login|test|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\\.(?:sandbox|develop|scratch|demo|trailblaze|patch|stage|pc-rnd))?\\.my)\\.(?:salesforce\\.com|salesforce\\.mil|sfcrmproducts\\.cn)$",
      under: DOMAINS,
      validation_error: "Enter a login host such as acme.my.salesforce.com, not a lightning.force.com address.",
    },
  ],
  derived_config: [
    {
      name: "instance_url",
      from: "token",
      path: "instance_url",
      pattern: "^https://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$",
      under: DOMAINS,
    },
    { name: "organization_id", from: "identity", path: "organization_id", pattern: "^00D[A-Za-z0-9]{12,15}$" },
    { name: "user_id", from: "identity", path: "user_id", pattern: "^005[A-Za-z0-9]{12,15}$" },
  ],
  identity: {
    from: "request",
    request: userinfo,
    account: { id: "user_id", label: "preferred_username", email: "email" },
  },
  health: userinfo,
  revocation: {
    kind: "rfc7009",
    url: "https://{hostname}/services/oauth2/revoke",
    token: "refresh_token",
    client_auth: false,
    kills_grant: false,
  },
  hosts: [
    { name: "api", base_url: "{instance_url}", request_headers: ["sforce-query-options", "sforce-call-options"] },
  ],
  errors: {
    // userinfo returns Bad_OAuth_Token with HTTP 403 for an expired token.
    refused: ["inactive_user", "inactive_org", "Bad_OAuth_Token"],
    misconfigured: ["invalid_client_id", "OAUTH_APP_BLOCKED"],
    transient: ["unknown_error", "rate_limit_exceeded", "server_error"],
  },
  sources: [
    "https://help.salesforce.com/apex/HTViewHelpDoc?id=remoteaccess_oauth_refresh_token_flow.htm&language=en_US",
    "https://developer.salesforce.com/docs/platform/isvforce/guide/secure-code-ac-eca.md",
  ],
  unverified: [
    "lifetime.access_s: a guess at the default session policy; introspect a token for its exp",
    "errors.refused: names from reports; deactivate a user, then refresh",
    "config_fields: the list of sandbox suffixes; compare with a new org of each kind",
    "identity, health: userinfo at login.salesforce.com for an org with My Domain only; make one call",
  ],
});
