/**
 * Intercom. https://developers.intercom.com/docs/build-an-integration/learn-more/authentication (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §3.3 (permissions are set on the app) and §5.1 (neither `expires_in` nor a refresh token): a
 * token lives until the app is removed. Written from public catalogs: no vendor page was opened.
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
    notes: ["Switch OAuth on for the app, and set its permissions there: the request cannot ask for others."],
  },
  traps: ["Workspaces hosted in Europe and Australia have API hosts of their own, which are not covered here."],
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
  revocation: { kind: "none", note: "People end access by removing the app under Settings > App Store in Intercom." },
  hosts: [{ name: "api", base_url: "https://api.intercom.io", request_headers: ["intercom-version"] }],
  errors: { refused: [], misconfigured: [], transient: [] },
  deviations: [{ name: "assume_bearer" }],
  sources: [
    "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime: nothing is published; watch when a token is first refused",
    "deviations: whether token_type is in the answer; one exchange",
    "pkce: nothing was found; send a wrong verifier",
    "identity, revocation: paths and the page's name from public knowledge; one call, and the page itself",
  ],
});
