/**
 * Front. https://dev.frontapp.com/docs/oauth (checked 2026-11-23)
 *
 * Follows RFC 6749, but scopes are set on the app (§3.3). A token belongs to a company, and the
 * company is the account. The vendor's page was read in excerpts.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://api2.frontapp.com/me" } as const;

export const front = defineProvider({
  id: "front",
  display_name: "Front",
  description: "Inboxes, conversations and contacts of a company.",
  vendor: "front",
  docs_url: "https://dev.frontapp.com/docs/oauth",
  registration: {
    url: "https://app.frontapp.com/settings/developers",
    notes: ["Add the OAuth feature to the app and set its scopes there. A request cannot add others."],
  },
  traps: ["Two users of one company connect the same account."],
  authorization_url: "https://app.frontapp.com/oauth/authorize",
  token_url: "https://app.frontapp.com/oauth/token",
  client_auth: "client_secret_basic",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  pkce: "none",
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 15_552_000,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: me, account: { id: "id", label: "name", email: null } },
  health: me,
  revocation: { kind: "none", note: "Administrators revoke access by removing the app under Settings > Integrations." },
  hosts: [{ name: "api", base_url: "https://api2.frontapp.com", binary_media_types: ["*/*"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://dev.frontapp.com/docs/oauth", "https://www.npmjs.com/package/@nangohq/providers"],
  unverified: [
    "lifetime: one hour and six months from public catalogs, and whether each refresh returns a new token; refresh twice",
    "client_auth: one catalog sends it in the body; make one exchange",
    "pkce: no documentation found; send a wrong verifier",
    "identity, revocation: paths and page name from public knowledge; make one call, and open the page",
  ],
});
