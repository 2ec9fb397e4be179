/**
 * Intercom. https://developers.intercom.com/docs/build-an-integration/learn-more/authentication
 * (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §3.3 (permissions are set on the app) and §5.1 (neither `expires_in` nor
 * a refresh token). A token is valid until the app is removed. Based on public catalogs. No vendor
 * page was consulted.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://api.intercom.io/me" } as const;

export const intercom = defineProvider({
  id: "intercom",
  display_name: "Intercom",
  description: "Conversations, contacts and help articles.",
  vendor: "intercom",
  docs_url: "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication",
  registration: {
    url: "https://app.intercom.com/a/apps/_/developer-hub",
    notes: ["Enable OAuth for the app and set its permissions there. A request cannot add others."],
  },
  traps: ["Workspaces hosted in Europe and Australia have separate API hosts, which are not covered here."],
  authorization_url: "https://app.intercom.com/oauth",
  token_url: "https://api.intercom.io/auth/eagle/token",
  client_auth: "client_secret_post",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  pkce: "none",
  lifetime: { access_s: null, refresh: { kind: "none" }, refresh_idle_s: null, refresh_absolute_s: null },
  identity: { from: "request", request: me, account: { id: "id", label: "name", email: "email" } },
  health: me,
  revocation: { kind: "none", note: "Users revoke access by removing the app under Settings > App Store in Intercom." },
  hosts: [{ name: "api", base_url: "https://api.intercom.io", request_headers: ["intercom-version"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  deviations: [{ name: "assume_bearer" }],
  sources: [
    "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime: nothing is published; watch when a token is first rejected",
    "deviations: whether the response has token_type; make one exchange",
    "pkce: no documentation found; send a wrong verifier",
    "identity, revocation: paths and page name from public knowledge; make one call, and open the page",
  ],
});
