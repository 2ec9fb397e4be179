/**
 * Webflow. https://developers.webflow.com/data/reference/oauth-app (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §5.1 (neither `expires_in` nor a refresh token) and from RFC 7009 in the
 * name of the revocation request's token parameter. Of the vendor's pages, only one for an older
 * version was read, in excerpts.
 */
import { defineProvider } from "../provider.ts";

const authorizedBy = { method: "GET", url: "https://api.webflow.com/v2/token/authorized_by" } as const;

export const webflow = defineProvider({
  id: "webflow",
  display_name: "Webflow",
  description: "Sites, pages and CMS collections.",
  vendor: "webflow",
  docs_url: "https://developers.webflow.com/data/reference/oauth-app",
  registration: {
    url: "https://webflow.com/dashboard/workspace/integrations",
    notes: ["Register the app in the workspace settings and select every scope that will be requested."],
  },
  traps: ["Users choose sites or a workspace on the consent screen. Sites created later may not be included."],
  authorization_url: "https://webflow.com/oauth/authorize",
  token_url: "https://api.webflow.com/oauth/access_token",
  client_auth: "client_secret_post",
  default_scopes: ["sites:read"],
  // The account is read from /token/authorized_by.
  required_scopes: ["authorized_user:read"],
  common_scopes: [
    { scope: "authorized_user:read", meaning: "the user who connects" },
    { scope: "sites:read", meaning: "read sites" },
    { scope: "sites:write", meaning: "change and publish sites" },
    { scope: "pages:read", meaning: "read pages" },
    { scope: "pages:write", meaning: "change pages" },
    { scope: "cms:read", meaning: "read collections and their items" },
    { scope: "cms:write", meaning: "change collections and their items" },
    { scope: "assets:read", meaning: "read assets" },
    { scope: "assets:write", meaning: "upload and change assets" },
    { scope: "forms:read", meaning: "read forms and submissions" },
  ],
  pkce: "none",
  lifetime: { access_s: null, refresh: { kind: "none" }, refresh_idle_s: null, refresh_absolute_s: null },
  identity: {
    from: "request",
    request: authorizedBy,
    account: { id: "id", label: "firstName", email: "email" },
  },
  health: authorizedBy,
  revocation: {
    kind: "request",
    request: {
      method: "POST",
      url: "https://webflow.com/oauth/revoke_authorization",
      auth: "none",
      form: { client_id: "{client_id}", client_secret: "{client_secret}", access_token: "{access_token}" },
    },
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: "https://api.webflow.com/v2" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developers.webflow.com/data/v1.0.0/docs/oauth",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime: no documentation of a token expiry found; watch when one is first rejected",
    "revocation: names in the form from memory; make one call",
    "common_scopes, identity: names from public knowledge; complete one consent with each and make one call",
    "pkce: no documentation found; send a wrong verifier",
  ],
});
