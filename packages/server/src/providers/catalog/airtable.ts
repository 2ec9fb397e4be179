/**
 * Airtable. https://airtable.com/developers/web/api/oauth-reference (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636, with PKCE required of every client. Departs in §5.1: the refresh token's life is named
 * `refresh_expires_in`. A refresh ends the previous access token too. There is no revocation endpoint.
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
      "Tick every scope on the integration as well: only ticked ones can be asked for.",
      "Plain http redirect URIs are taken for localhost only.",
    ],
  },
  traps: ["A refresh ends the previous access token at once: long calls under way may get 401."],
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
    { scope: "user.email:read", meaning: "read the user's e-mail address" },
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
  revocation: { kind: "none", note: "People end access at https://airtable.com/account/integrations." },
  hosts: [{ name: "api", base_url: "https://api.airtable.com/v0" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  deviations: [{ name: "renamed_members", members: { refresh_expires_in: "refresh_token_expires_in" } }],
  sources: [
    "https://airtable.com/developers/web/api/oauth-reference",
    "https://github.com/Airtable/oauth-example",
    "https://support.airtable.com/docs/troubleshooting-oauth-integrations-in-airtable",
  ],
  unverified: [
    "lifetime.refresh: whether an old refresh token works on for a while; send one twice",
    "identity: paths from memory; one call with and without user.email:read",
    "revocation: that people end access at that page; open it with a connected account",
    "common_scopes: webhook:manage from memory; one consent with it",
  ],
});
