/**
 * Shared by the two Slack providers. https://docs.slack.dev/authentication/installing-with-oauth
 * (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §5.2 (errors are HTTP 200 with `ok: false`), §7.1 (`token_type` is `bot`
 * or `user`) and §3.3 (commas between scopes). PKCE stays off: enabling it permanently turns the
 * Slack app into a public client, whose refresh tokens expire after 30 days.
 */
import type { ApiRequest, ConfigField, DerivedValue, ProviderDefinition } from "../../provider.ts";

export const authTest: ApiRequest = { method: "POST", url: "https://slack.com/api/auth.test", ok_path: "ok" };

const team: ConfigField = {
  name: "team",
  display_name: "Workspace id",
  description: "Opens the consent screen for this workspace.",
  placeholder: "T0123456789",
  required: false,
  default: null,
  pattern: "^[TE][A-Z0-9]{6,14}$",
  validation_error: "A workspace id is a T or E followed by 6 to 14 capital letters or digits, such as T0123456789.",
  authorization_param: "team",
};

const derived: readonly DerivedValue[] = [
  { name: "team_id", from: "token", path: "team.id", pattern: "^[TE][A-Z0-9]{6,14}$" },
  { name: "user_id", from: "token", path: "authed_user.id", pattern: "^[UW][A-Z0-9]{6,14}$" },
];

export const slackFamily = {
  vendor: "slack",
  docs_url: "https://docs.slack.dev/authentication/installing-with-oauth",
  registration: {
    url: "https://api.slack.com/apps",
    notes: [
      "Redirect URLs must be https.",
      "Token rotation is a setting of the Slack app and cannot be undone. Without it, tokens do not expire.",
      "Leave PKCE off. It permanently turns the app into a public client.",
    ],
  },
  traps: ["With token rotation, at most two access tokens of a grant are valid at a time."],
  https_redirect_only: true,
  authorization_url: "https://slack.com/oauth/v2/authorize",
  token_url: "https://slack.com/api/oauth.v2.access",
  client_auth: "client_secret_basic",
  scope_separator: ",",
  pkce: "none",
  lifetime: {
    access_s: null,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  config_fields: [team],
  derived_config: derived,
  health: authTest,
  revocation: {
    kind: "request",
    request: { method: "POST", url: "https://slack.com/api/auth.revoke", ok_path: "ok" },
    kills_grant: false,
  },
  hosts: [
    { name: "api", base_url: "https://slack.com/api" },
    { name: "files", base_url: "https://files.slack.com", binary_media_types: ["*/*"] },
  ],
  errors: {
    refused: [
      "invalid_refresh_token",
      "token_revoked",
      "token_expired",
      "account_inactive",
      "invalid_auth",
      "org_login_required",
      "team_access_not_granted",
    ],
    misconfigured: ["bad_client_secret", "invalid_client_id", "invalid_grant_type", "token_rotation_not_enabled"],
    transient: ["ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"],
  },
  deviations: [
    // After internal_error or fatal_error, part of the call may have happened, and the refresh
    // token may have been consumed.
    { name: "error_in_ok_response", statuses: { ratelimited: 429, internal_error: 500, fatal_error: 500 } },
    { name: "bearer_alias", names: ["bot", "user"] },
  ],
  sources: [
    "https://docs.slack.dev/authentication/installing-with-oauth",
    "https://docs.slack.dev/authentication/using-token-rotation",
    "https://docs.slack.dev/authentication/using-pkce",
  ],
  unverified: [
    "lifetime: reuse of a rotated refresh token; send one twice within a second and within a minute",
    "errors.refused: collected from reference pages of several methods; revoke, deactivate and expire, then refresh",
    "https_redirect_only: whether http://localhost is accepted; add it to a test app",
    "identity: paths of auth.test for a bot and a user; make one call each",
  ],
} as const satisfies Partial<ProviderDefinition>;
