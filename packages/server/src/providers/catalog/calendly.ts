/**
 * Calendly. https://developer.calendly.com/api-docs (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636. The response identifies the user and the organization by the
 * URLs of API resources.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://api.calendly.com/users/me" } as const;

export const calendly = defineProvider({
  id: "calendly",
  display_name: "Calendly",
  description: "Event types, scheduled events and invitees.",
  vendor: "calendly",
  docs_url: "https://developer.calendly.com/api-docs",
  registration: {
    url: "https://developer.calendly.com/",
    notes: ["Sandbox apps accept http://localhost. Production apps accept https only."],
  },
  traps: ["Webhooks need a paid plan on the connected account."],
  authorization_url: "https://auth.calendly.com/oauth/authorize",
  token_url: "https://auth.calendly.com/oauth/token",
  client_auth: "client_secret_post",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  lifetime: {
    access_s: 7200,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  derived_config: [
    { name: "owner", from: "token", path: "owner", pattern: "^https://api\\.calendly\\.com/users/[A-Za-z0-9-]+$" },
    {
      name: "organization",
      from: "token",
      path: "organization",
      pattern: "^https://api\\.calendly\\.com/organizations/[A-Za-z0-9-]+$",
    },
  ],
  identity: {
    from: "request",
    request: me,
    account: { id: "resource.uri", label: "resource.name", email: "resource.email" },
  },
  health: me,
  revocation: {
    kind: "rfc7009",
    url: "https://auth.calendly.com/oauth/revoke",
    token: "refresh_token",
    client_auth: true,
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: "https://api.calendly.com" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://developer.calendly.com/api-docs"],
  unverified: [
    "scope_param: newer apps may have scopes; complete one consent with a newly created app",
    "lifetime, revocation, identity: from memory; get one token, refresh twice with one token, revoke once, call once",
    "registration: from memory; register an app",
  ],
});
