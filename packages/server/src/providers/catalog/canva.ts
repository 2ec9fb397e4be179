/**
 * Canva Connect. https://www.canva.dev/docs/connect/authentication (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636, and requires PKCE. A refresh token is single use. Revoking one
 * also revokes its whole lineage and the user's consent. The pages on tokens and revocation were
 * read in excerpts.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://api.canva.com/rest/v1/users/me" } as const;

export const canva = defineProvider({
  id: "canva",
  display_name: "Canva",
  description: "Designs, folders and assets.",
  vendor: "canva",
  docs_url: "https://www.canva.dev/docs/connect/authentication/",
  registration: {
    url: "https://www.canva.com/developers/integrations",
    notes: [
      "On the integration, select every scope that will be requested.",
      "Register a redirect URI on your own machine as 127.0.0.1, not as localhost.",
    ],
  },
  traps: ["Until Canva has reviewed the integration, only members of its own team can connect."],
  authorization_url: "https://www.canva.com/api/oauth/authorize",
  token_url: "https://api.canva.com/rest/v1/oauth/token",
  client_auth: "client_secret_basic",
  default_scopes: ["profile:read", "design:meta:read"],
  common_scopes: [
    { scope: "profile:read", meaning: "name of the user" },
    { scope: "design:meta:read", meaning: "list designs" },
    { scope: "design:content:read", meaning: "read and export designs" },
    { scope: "design:content:write", meaning: "create designs" },
    { scope: "asset:read", meaning: "read assets" },
    { scope: "asset:write", meaning: "upload assets" },
    { scope: "folder:read", meaning: "read folders" },
    { scope: "folder:write", meaning: "create and change folders" },
    { scope: "comment:read", meaning: "read comments" },
    { scope: "comment:write", meaning: "write comments" },
  ],
  lifetime: {
    access_s: 14_400,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: me, account: { id: "team_user.user_id", label: null, email: null } },
  health: me,
  revocation: {
    kind: "rfc7009",
    url: "https://api.canva.com/rest/v1/oauth/revoke",
    token: "refresh_token",
    client_auth: true,
    // Revoking the token also revokes the user's consent.
    kills_grant: true,
  },
  hosts: [
    {
      name: "api",
      base_url: "https://api.canva.com/rest/v1",
      request_headers: ["asset-upload-metadata", "import-metadata"],
    },
  ],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://www.canva.dev/docs/apps/rest-apis/reference/authentication/generate-access-token/",
    "https://canva.dev/docs/connect/api-reference/authentication/revoke-token",
    "https://www.npmjs.com/package/@nangohq/providers",
  ],
  unverified: [
    "lifetime.refresh: the effect of a used refresh token, and the lifetime of an unused one; send one twice",
    "revocation.kills_grant: whether the user's other tokens are revoked with the consent; connect twice and revoke",
    "identity, common_scopes: names from public knowledge; complete one consent with each and make one call",
    "registration, traps: from public knowledge; check the integration's page",
  ],
});
