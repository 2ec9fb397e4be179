/**
 * Wix.
 * https://dev.wix.com/docs/build-apps/launch-your-app/app-distribution/set-up-the-external-install-flow
 * (checked 2026-11-23)
 *
 * There is no authorization code. A user installs the app on a site, and the redirect carries the
 * installation's id. Tokens are requested with client credentials (RFC 6749 §4.4) and that id, as
 * JSON. There are no refresh tokens. Departs from RFC 6750 §2.1: the API expects the token without
 * the word Bearer.
 */
import { defineProvider } from "../provider.ts";

const UUID = "^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$";

export const wix = defineProvider({
  id: "wix",
  display_name: "Wix",
  description: "A Wix site's business data, through an installed app.",
  vendor: "wix",
  flow: {
    kind: "app_install",
    app_id_param: "appId",
    return_param: "postInstallationUrl",
    instance_param: "instanceId",
    signed_instance_param: "signedInstance",
    instance_name: "instance_id",
    instance_pattern: UUID,
  },
  docs_url: "https://dev.wix.com/docs/build-apps/develop-your-app/access/authentication/authenticate-using-oauth",
  registration: {
    url: "https://manage.wix.com/studio/custom-apps/",
    notes: [
      "The app id is the client id. Both keys are under View ID & keys.",
      "Set the permissions on the app's Permissions page. They are not requested in the URL.",
      "Leave the legacy fields App URL and Redirect URL empty.",
    ],
  },
  traps: [
    "The token acts as the app on one site, not as the user who installed it.",
    "A copied site has the app installed without any consent, under another id.",
    "The return URL must be https.",
  ],
  https_redirect_only: true,
  authorization_url: "https://www.wix.com/app-installer",
  token_url: "https://www.wixapis.com/oauth2/token",
  client_auth: "client_secret_post",
  token_body: "json",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  pkce: "none",
  lifetime: { access_s: 14_400, refresh: { kind: "remint" }, refresh_idle_s: null, refresh_absolute_s: null },
  derived_config: [
    { name: "instance_id", from: "token", path: "instance_id", pattern: UUID },
    { name: "site_id", from: "identity", path: "site.siteId", pattern: UUID },
  ],
  api_auth: { header: "authorization", scheme: null },
  identity: {
    from: "request",
    request: { method: "GET", url: "https://www.wixapis.com/apps/v1/instance" },
    account: { id: "instance.instanceId", label: "site.siteDisplayName", email: "site.ownerInfo.email" },
  },
  health: { method: "GET", url: "https://www.wixapis.com/apps/v1/instance" },
  revocation: { kind: "none", note: "The site's owner removes the app under Apps > Manage apps." },
  hosts: [{ name: "api", base_url: "https://www.wixapis.com", request_headers: ["wix-site-id", "wix-account-id"] }],
  errors: {
    // The error name for a removed app is unknown. Our requests are well formed, so invalid_request
    // can hardly mean anything else, and another token request does no harm.
    refused: ["invalid_request", "app_not_installed", "instance_not_found", "invalid_instance"],
    misconfigured: [],
    transient: [],
  },
  deviations: [{ name: "assume_bearer" }],
  sources: [
    "https://dev.wix.com/docs/build-apps/launch-your-app/app-distribution/set-up-the-external-install-flow",
    "https://dev.wix.com/docs/build-apps/develop-your-app/access/authentication/about-oauth.md",
    "https://dev.wix.com/docs/rest/app-management/oauth-2/introduction",
    "https://dev.wix.com/docs/build-apps/develop-your-app/access/app-instances/parse-encoded-app-instance-data",
  ],
  unverified: [
    "flow: names of the redirect's parameters from two integrations and a partially read page; install once",
    "flow: that signedInstance has the documented format of the instance parameter; install once",
    "errors.refused: the token response after the app was removed; remove it and request a token",
    "lifetime.access_s: an integrator reports responses without expires_in; get one token",
    "identity, health: paths, and the permission they need; make one call",
  ],
});
