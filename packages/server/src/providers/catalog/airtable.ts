/**
 * Airtable. https://airtable.com/developers/web/api/oauth-reference (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636, and requires PKCE of every client. Departs in §5.1: the refresh
 * token's lifetime is in `refresh_expires_in`. A refresh also revokes the previous access token.
 * There is no revocation endpoint.
 */
import { defineProvider } from "../provider.ts";

const whoami = { method: "GET", url: "https://api.airtable.com/v0/meta/whoami" } as const;

export const airtable = defineProvider({
  id: "airtable",
  display_name: "Airtable",
  description: "Bases, tables and records.",
  vendor: "airtable",
  docs_url: "https://airtable.com/developers/web/api/oauth-reference",
  registration: {
    url: "https://airtable.com/create/oauth",
    notes: [
      "Also select every scope on the integration. Only selected scopes can be requested.",
      "Plain http redirect URIs are accepted for localhost only.",
    ],
  },
  traps: ["A refresh revokes the previous access token at once. Long requests in progress can get a 401."],
  authorization_url: "https://airtable.com/oauth2/v1/authorize",
  token_url: "https://airtable.com/oauth2/v1/token",
  client_auth: "client_secret_basic",
  default_scopes: ["data.records:read", "schema.bases:read", "user.email:read"],
  common_scopes: [
    { scope: "data.records:read", meaning: "read records" },
    { scope: "data.records:write", meaning: "create, change, delete records" },
    { scope: "data.recordComments:read", meaning: "read record comments" },
    { scope: "data.recordComments:write", meaning: "write record comments" },
    { scope: "schema.bases:read", meaning: "read base structure" },
    { scope: "schema.bases:write", meaning: "change base structure" },
    { scope: "user.email:read", meaning: "read the user's email address" },
    { scope: "webhook:manage", meaning: "manage webhooks" },
    { scope: "workspacesAndBases:read", meaning: "list workspaces and bases (enterprise)" },
  ],
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 5_184_000,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: whoami, account: { id: "id", label: "email", email: "email" } },
  health: whoami,
  revocation: { kind: "none", note: "Users revoke access at https://airtable.com/account/integrations." },
  hosts: [{ name: "api", base_url: "https://api.airtable.com/v0" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  deviations: [{ name: "renamed_members", members: { refresh_expires_in: "refresh_token_expires_in" } }],
  sources: [
    "https://airtable.com/developers/web/api/oauth-reference",
    "https://github.com/Airtable/oauth-example",
    "https://support.airtable.com/docs/troubleshooting-oauth-integrations-in-airtable",
  ],
  unverified: [
    "lifetime.refresh: whether a used refresh token stays valid for a while; send one twice",
    "identity: paths from memory; make one call with and one without user.email:read",
    "revocation: that users can revoke access on that page; open it with a connected account",
    "common_scopes: webhook:manage from memory; complete one consent with it",
  ],
});
