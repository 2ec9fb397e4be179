/**
 * Bitbucket Cloud. https://developer.atlassian.com/cloud/bitbucket/oauth-2 (checked 2026-11-23)
 *
 * Follows RFC 6749, but scopes are set on the OAuth consumer (§3.3) and the response lists them as
 * `scopes` (§5.1). The refresh token stays the same. Based on public catalogs. No vendor page was
 * consulted.
 */
import { defineProvider } from "../provider.ts";

const user = { method: "GET", url: "https://api.bitbucket.org/2.0/user" } as const;

export const bitbucket = defineProvider({
  id: "bitbucket",
  display_name: "Bitbucket",
  description: "Repositories and pull requests on Bitbucket Cloud.",
  vendor: "bitbucket",
  docs_url: "https://developer.atlassian.com/cloud/bitbucket/oauth-2/",
  registration: {
    url: "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/",
    notes: [
      "Add an OAuth consumer in the workspace settings and mark it as private.",
      "Select the permissions there. A request cannot add others. Account: Read is needed to identify the account.",
    ],
  },
  traps: ["The profile does not include the email address. The API has a separate call for it."],
  authorization_url: "https://bitbucket.org/site/oauth2/authorize",
  token_url: "https://bitbucket.org/site/oauth2/access_token",
  client_auth: "client_secret_basic",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  pkce: "none",
  lifetime: { access_s: 7200, refresh: { kind: "stays" }, refresh_idle_s: null, refresh_absolute_s: null },
  identity: { from: "request", request: user, account: { id: "uuid", label: "display_name", email: null } },
  health: user,
  revocation: { kind: "none", note: "Users revoke access under Personal settings > App authorizations in Bitbucket." },
  hosts: [{ name: "api", base_url: "https://api.bitbucket.org/2.0", binary_media_types: ["*/*"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developer.atlassian.com/cloud/bitbucket/oauth-2/",
    "https://www.npmjs.com/package/@nangohq/providers",
    "https://www.npmjs.com/package/arctic",
  ],
  unverified: [
    "lifetime: two hours, and that the refresh token stays, from public catalogs; refresh twice with one token",
    "client_auth: one catalog sends it in the body; make one exchange",
    "pkce: no documentation found; send a wrong verifier",
    "identity, revocation: paths and page name from public knowledge; make one call, and open the page",
  ],
});
