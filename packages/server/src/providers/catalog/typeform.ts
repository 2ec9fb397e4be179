/**
 * Typeform. https://www.typeform.com/developers/get-started/applications (checked 2026-11-23)
 *
 * Follows RFC 6749, at one of two authorization servers, since clients belong to a region. A
 * refresh token comes only with the scope `offline`. Departs in §6: a refresh repeats the scopes.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://{api_host}/me" } as const;
const DOMAINS = ["typeform.com", "typeform.eu"];

export const typeform = defineProvider({
  id: "typeform",
  display_name: "Typeform",
  description: "Forms, responses and webhooks.",
  vendor: "typeform",
  docs_url: "https://www.typeform.com/developers/get-started/applications/",
  registration: {
    url: "https://admin.typeform.com/account#/section/developer-apps",
    notes: ["Register in the region of the accounts to connect. The client secret is shown only once."],
  },
  traps: ["Accounts in the newer European region have a separate authorization server, API host and OAuth clients."],
  authorization_url: "https://{auth_host}/oauth/authorize",
  token_url: "https://{auth_host}/oauth/token",
  client_auth: "client_secret_post",
  default_scopes: ["forms:read", "responses:read"],
  // offline: returns a refresh token. accounts:read: reads the account.
  required_scopes: ["accounts:read", "offline"],
  common_scopes: [
    { scope: "offline", meaning: "returns a refresh token" },
    { scope: "accounts:read", meaning: "read the user's account" },
    { scope: "forms:read", meaning: "read forms" },
    { scope: "forms:write", meaning: "create and change forms" },
    { scope: "responses:read", meaning: "read responses" },
    { scope: "responses:write", meaning: "delete responses" },
    { scope: "webhooks:read", meaning: "read webhooks" },
    { scope: "webhooks:write", meaning: "manage webhooks" },
    { scope: "workspaces:read", meaning: "read workspaces" },
    { scope: "workspaces:write", meaning: "manage workspaces" },
    { scope: "themes:read", meaning: "read themes" },
    { scope: "themes:write", meaning: "manage themes" },
    { scope: "images:read", meaning: "read images" },
    { scope: "images:write", meaning: "manage images" },
  ],
  pkce: "none",
  lifetime: {
    access_s: 604_800,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  config_fields: [
    {
      name: "auth_host",
      display_name: "Authorization host",
      description: "api.typeform.com, or api.typeform.eu for accounts in the newer European region.",
      placeholder: "api.typeform.com",
      required: false,
      default: "api.typeform.com",
      pattern: "^api\\.typeform\\.(?:com|eu)$",
      under: DOMAINS,
      validation_error: "Enter api.typeform.com or api.typeform.eu.",
    },
    {
      name: "api_host",
      display_name: "API host",
      description: "api.typeform.com, or for European accounts api.eu.typeform.com or api.typeform.eu.",
      placeholder: "api.typeform.com",
      required: false,
      default: "api.typeform.com",
      pattern: "^api\\.(?:eu\\.typeform\\.com|typeform\\.com|typeform\\.eu)$",
      under: DOMAINS,
      validation_error: "Enter api.typeform.com, api.eu.typeform.com or api.typeform.eu.",
    },
  ],
  identity: { from: "request", request: me, account: { id: "user_id", label: "alias", email: "email" } },
  health: me,
  revocation: { kind: "none", note: "Users revoke access under Account > Apps in Typeform." },
  hosts: [{ name: "api", base_url: "https://{api_host}" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  deviations: [{ name: "scope_on_refresh", separator: " " }],
  sources: [
    "https://www.typeform.com/developers/get-started/scopes/",
    "https://www.typeform.com/developers/get-started/applications/",
    "https://github.com/Typeform/js-api-client/issues/53",
  ],
  unverified: [
    "lifetime.refresh, deviations: rotation and repeated scopes from one project that cites the vendor; refresh twice",
    "identity: paths from memory; make one call",
    "revocation: no endpoint found, page name from memory; open the page with a connected account",
  ],
});
