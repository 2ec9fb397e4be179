/**
 * Splitwise. https://dev.splitwise.com (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §3.3 (no scopes) and §5.1 (neither `expires_in` nor a refresh token). No
 * token expiry is announced. After a 401 the user must consent again.
 */
import { defineProvider } from "../provider.ts";

const currentUser = { method: "GET", url: "https://secure.splitwise.com/api/v3.0/get_current_user" } as const;

export const splitwise = defineProvider({
  id: "splitwise",
  display_name: "Splitwise",
  description: "Shared expenses, groups and balances.",
  vendor: "splitwise",
  docs_url: "https://dev.splitwise.com/",
  registration: {
    url: "https://secure.splitwise.com/apps",
    notes: ["Enter the redirect URI as the callback URL. The terms exclude commercial use without an agreement."],
  },
  traps: ["Some failed writes return HTTP 200 with an object named errors."],
  authorization_url: "https://secure.splitwise.com/oauth/authorize",
  token_url: "https://secure.splitwise.com/oauth/token",
  client_auth: "client_secret_post",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  pkce: "none",
  lifetime: { access_s: null, refresh: { kind: "none" }, refresh_idle_s: null, refresh_absolute_s: null },
  identity: {
    from: "request",
    request: currentUser,
    account: { id: "user.id", label: "user.first_name", email: "user.email" },
  },
  health: currentUser,
  revocation: { kind: "none", note: "Users revoke access under Your account > Connected apps in Splitwise." },
  hosts: [{ name: "api", base_url: "https://secure.splitwise.com/api/v3.0" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://github.com/splitwise/api-docs/blob/main/splitwise.yaml", "https://dev.splitwise.com/"],
  unverified: [
    "lifetime: nothing is published; watch when a token is first rejected",
    "client_auth: the vendor's description lists only URLs; make one exchange",
    "pkce: others send it without harm; send a wrong verifier",
    "revocation: page name from memory; open the page with a connected account",
  ],
});
