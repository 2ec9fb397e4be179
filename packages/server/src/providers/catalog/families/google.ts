/**
 * Shared by the Google services. https://developers.google.com/identity/protocols/oauth2/web-server
 * (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636, except for §3.3: two of the granted scopes have other names. A
 * refresh token comes only with `access_type=offline`, and a second time only with
 * `prompt=consent`. A refresh response has no refresh token, so the old one stays.
 */
import type { ApiRequest, ProviderDefinition } from "../../provider.ts";

export const SCOPE = "https://www.googleapis.com/auth";

const userinfo: ApiRequest = { method: "GET", url: "https://openidconnect.googleapis.com/v1/userinfo" };

/** Returns the registration steps. `api` is the API to enable in the project. */
export const googleRegistration = (api: string, ...notes: readonly string[]): ProviderDefinition["registration"] => ({
  url: "https://console.cloud.google.com/auth/clients",
  notes: [
    `One OAuth client of type "Web application" works for all Google services. Enable the ${api} in its project.`,
    "Plain http redirect URIs are accepted for localhost only.",
    ...notes,
  ],
});

export const googleFamily = {
  vendor: "google",
  traps: [
    "While the consent screen is in Testing, refresh tokens expire after 7 days. Publish the app for lasting connections.",
    "Sensitive and restricted scopes need Google's verification. Until then, users outside the organization see a warning.",
    "Users can deselect individual scopes on the consent screen.",
    "An account can have at most 100 refresh tokens per client. The oldest is revoked without notice.",
  ],
  authorization_url: "https://accounts.google.com/o/oauth2/v2/auth",
  token_url: "https://oauth2.googleapis.com/token",
  client_auth: "client_secret_post",
  // The account is read from userinfo.
  required_scopes: ["openid", "email", "profile"],
  authorization_params: { access_type: "offline", prompt: "consent", include_granted_scopes: "false" },
  issuer: { value: "https://accounts.google.com", required: false },
  // Six months without use. In Testing, the response announces seven days.
  lifetime: { access_s: 3600, refresh: { kind: "stays" }, refresh_idle_s: 15_552_000, refresh_absolute_s: null },
  identity: { from: "request", request: userinfo, account: { id: "sub", label: "name", email: "email" } },
  // Not a request to the service itself: with a narrow scope, a valid token would get 403 there.
  health: userinfo,
  revocation: {
    kind: "rfc7009",
    url: "https://oauth2.googleapis.com/revoke",
    token: "refresh_token",
    client_auth: false,
    kills_grant: true,
  },
  errors: {
    refused: [],
    misconfigured: ["deleted_client", "disabled_client", "org_internal"],
    transient: ["internal_failure", "rate_limit_exceeded"],
  },
  deviations: [
    {
      name: "granted_scopes",
      aliases: { [`${SCOPE}/userinfo.email`]: "email", [`${SCOPE}/userinfo.profile`]: "profile" },
    },
  ],
  sources: [
    "https://developers.google.com/identity/protocols/oauth2/web-server",
    "https://developers.google.com/identity/protocols/oauth2",
  ],
  unverified: [
    "issuer: seen in callbacks, not in the vendor's pages; record one callback",
    "revocation.kills_grant: whether other connections of the same user are revoked; revoke one of two, call both",
    "errors.misconfigured: collected from reports; send one request with a disabled client and one with a deleted one",
  ],
} as const satisfies Partial<ProviderDefinition>;
