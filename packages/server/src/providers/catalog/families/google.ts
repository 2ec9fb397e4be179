/**
 * What the Google services share. https://developers.google.com/identity/protocols/oauth2/web-server (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636, but for §3.3: two of the granted scopes have other names. A refresh token comes only with `access_type=offline`, and again only with
 * `prompt=consent`; a refresh answer carries none, so the old one stays.
 */
import type { ApiRequest, ProviderDefinition } from "../../provider.ts";

export const SCOPE = "https://www.googleapis.com/auth";

const userinfo: ApiRequest = { method: "GET", url: "https://openidconnect.googleapis.com/v1/userinfo" };

/** `api`: what must be enabled in the project. */
export const googleRegistration = (api: string, ...notes: readonly string[]): ProviderDefinition["registration"] => ({
  url: "https://console.cloud.google.com/auth/clients",
  notes: [
    `One OAuth client of type "Web application" serves all Google services; enable the ${api} in its project.`,
    "Plain http redirect URIs are taken for localhost only.",
    ...notes,
  ],
});

export const googleFamily = {
  vendor: "google",
  traps: [
    "While the consent screen is in Testing, refresh tokens end after 7 days. Publish the app for lasting connections.",
    "Sensitive and restricted scopes need Google's verification before people outside can consent without a warning.",
    "People can untick single scopes on the consent screen.",
    "At most 100 refresh tokens live per account and client; the oldest is dropped without notice.",
  ],
  authorization_url: "https://accounts.google.com/o/oauth2/v2/auth",
  token_url: "https://oauth2.googleapis.com/token",
  client_auth: "client_secret_post",
  // The account is read from userinfo.
  required_scopes: ["openid", "email", "profile"],
  authorization_params: { access_type: "offline", prompt: "consent", include_granted_scopes: "false" },
  issuer: { value: "https://accounts.google.com", required: false },
  // Six months without use. In Testing the answer says seven days.
  lifetime: { access_s: 3600, refresh: { kind: "stays" }, refresh_idle_s: 15_552_000, refresh_absolute_s: null },
  identity: { from: "request", request: userinfo, account: { id: "sub", label: "name", email: "email" } },
  // Not a call of the service: a narrow scope would get 403 there with a token that is alive.
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
    "issuer: seen in callbacks, not in the vendor's pages; one recorded callback settles it",
    "revocation.kills_grant: whether sibling connections of the same person die; revoke one of two and call both",
    "errors.misconfigured: collected from reports; a disabled and a deleted client each answer once",
  ],
} as const satisfies Partial<ProviderDefinition>;
