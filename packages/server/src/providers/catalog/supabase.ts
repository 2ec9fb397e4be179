/**
 * Supabase, Management API.
 * https://supabase.com/docs/guides/integrations/build-a-supabase-integration (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636. Scopes are set on the OAuth app (§3.3). A consent covers one
 * organization. The account is the first organization in the list that the API returns.
 */
import { defineProvider } from "../provider.ts";

const API = "https://api.supabase.com/v1";
const organizations = { method: "GET", url: `${API}/organizations` } as const;
const DOCS = "https://supabase.com/docs/guides/integrations/build-a-supabase-integration";

export const supabase = defineProvider({
  id: "supabase",
  display_name: "Supabase",
  description: "Projects and databases of an organization (Management API).",
  vendor: "supabase",
  docs_url: DOCS,
  registration: {
    url: "https://supabase.com/dashboard/org/_/apps",
    notes: ["Publish an OAuth app in the organization's settings and choose its scopes there."],
  },
  traps: ["This is the Management API. A project's own data API has separate keys."],
  authorization_url: `${API}/oauth/authorize`,
  token_url: `${API}/oauth/token`,
  client_auth: "client_secret_basic",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  lifetime: {
    access_s: 86_400,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: organizations, account: { id: "0.id", label: "0.name", email: null } },
  health: organizations,
  revocation: {
    kind: "request",
    request: {
      method: "POST",
      url: `${API}/oauth/revoke`,
      auth: "none",
      body: { client_id: "{client_id}", client_secret: "{client_secret}", refresh_token: "{refresh_token}" },
    },
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: API }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [DOCS],
  unverified: [
    "authorization_url, token_url, client_auth: one source; complete one consent",
    "lifetime: from memory; get one token, and send one refresh token twice",
    "revocation: format of the call from memory; revoke and refresh",
    "identity: order of the list for a user with several organizations; make one call",
  ],
});
