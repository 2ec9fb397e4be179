/**
 * Shared by the Microsoft services.
 * https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow
 * (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §6 (a refresh repeats the scopes) and §3.3 (granted scopes have other
 * names than the requested ones). Each refresh returns a new refresh token but does not revoke the
 * old one, so it counts as `stays`. There is no revocation endpoint. The issuer differs per tenant.
 */
import type { ApiRequest, ConfigField, DerivedValue, ProviderDefinition } from "../../provider.ts";

const GUID = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}";
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const me: ApiRequest = { method: "GET", url: "https://graph.microsoft.com/v1.0/me" };
const tenantId: DerivedValue = { name: "tenant_id", from: "id_token", path: "tid", pattern: `^${GUID}$` };

export const tenant = (preset: "common" | "organizations"): ConfigField => ({
  name: "tenant",
  display_name: "Directory (tenant)",
  description: `A tenant id or verified domain allows only its own accounts. "common" allows all accounts, "organizations" only work and school accounts.`,
  placeholder: preset,
  required: false,
  default: preset,
  pattern: `^(?:common|organizations|consumers|${GUID}|${LABEL}(?:\\.${LABEL})+)$`,
  validation_error: "Enter common, organizations, consumers, a tenant id or a verified domain such as contoso.com.",
});

export const microsoftFamily = {
  vendor: "microsoft",
  docs_url: "https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow",
  registration: {
    url: "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade",
    notes: [
      'Register the redirect URI under the platform "Web". Under "SPA", refresh tokens expire after 24 hours.',
      "One Entra app works for Teams, OneDrive, Outlook and SharePoint.",
      "Plain http redirect URIs are accepted for localhost only. 127.0.0.1 needs the app manifest.",
    ],
  },
  traps: [
    "Client secrets expire after at most 24 months. All connections then stop until a new secret is set.",
    "For scopes that need an administrator's consent, other users get a page that refers them to the administrator.",
    "National clouds (login.microsoftonline.us, login.partner.microsoftonline.cn) use other hosts and are not covered.",
  ],
  authorization_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
  token_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
  client_auth: "client_secret_post",
  // offline_access: returns a refresh token. User.Read: reads the account if the ID token cannot be
  // used.
  required_scopes: ["openid", "profile", "email", "offline_access", "User.Read"],
  authorization_params: { response_mode: "query", prompt: "select_account" },
  lifetime: { access_s: 3600, refresh: { kind: "stays" }, refresh_idle_s: 7_776_000, refresh_absolute_s: null },
  derived_config: [tenantId],
  identity: {
    from: "id_token",
    issuer: `^https://login\\.microsoftonline\\.com/${GUID}/v2\\.0$`,
    account: { id: "oid", label: "name", email: "email" },
    otherwise: { request: me, account: { id: "id", label: "displayName", email: "mail" } },
  },
  health: me,
  revocation: { kind: "none", note: "Users revoke access at https://myapps.microsoft.com, administrators in Entra." },
  hosts: [
    {
      name: "graph",
      base_url: "https://graph.microsoft.com/v1.0",
      request_headers: ["consistencylevel", "prefer", "if-match", "if-none-match", "range"],
      binary_media_types: ["application/octet-stream", "application/pdf", "image/*"],
    },
  ],
  errors: {
    refused: ["interaction_required", "consent_required", "login_required"],
    misconfigured: ["invalid_resource"],
    transient: ["temporarily_unavailable", "server_error"],
  },
  deviations: [
    { name: "scope_on_refresh", separator: " " },
    {
      name: "granted_scopes",
      prefix: "https://graph.microsoft.com/",
      silent: ["openid", "profile", "email", "offline_access"],
    },
  ],
  sources: [
    "https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow",
    "https://learn.microsoft.com/en-us/entra/identity-platform/refresh-tokens",
    "https://learn.microsoft.com/en-us/entra/identity-platform/reply-url",
  ],
  unverified: [
    "issuer: no sign of RFC 9207 in the vendor's pages; record one callback",
    "identity: claims and paths from memory; check one ID token and one call for a work and a personal account",
    "errors: names from reference pages; revoke, expire and block an account, then refresh",
  ],
} as const satisfies Partial<ProviderDefinition>;
