/**
 * Hugging Face. https://huggingface.co/docs/hub/oauth (checked 2026-11-23)
 *
 * Follows RFC 6749, 7636 and OpenID Connect. Based on public knowledge. No vendor page was
 * consulted.
 */
import { defineProvider } from "../provider.ts";

const userinfo = { method: "GET", url: "https://huggingface.co/oauth/userinfo" } as const;

export const hugging_face = defineProvider({
  id: "hugging_face",
  display_name: "Hugging Face",
  description: "Models, datasets, Spaces and inference.",
  vendor: "huggingface",
  docs_url: "https://huggingface.co/docs/hub/oauth",
  registration: {
    url: "https://huggingface.co/settings/applications/new",
    notes: ["Also select the scopes on the app."],
  },
  traps: ["Organizations are accessible only if the user selects them on the consent screen."],
  authorization_url: "https://huggingface.co/oauth/authorize",
  token_url: "https://huggingface.co/oauth/token",
  client_auth: "client_secret_basic",
  default_scopes: ["read-repos"],
  required_scopes: ["openid", "profile"],
  common_scopes: [
    { scope: "email", meaning: "email address" },
    { scope: "read-repos", meaning: "read personal repositories" },
    { scope: "write-repos", meaning: "read and write personal repositories" },
    { scope: "manage-repos", meaning: "full control of personal repositories" },
    { scope: "inference-api", meaning: "call inference on behalf of the user" },
    { scope: "read-billing", meaning: "whether the user has a payment method" },
  ],
  lifetime: {
    access_s: 28_800,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  identity: {
    from: "request",
    request: userinfo,
    account: { id: "sub", label: "preferred_username", email: "email" },
  },
  health: userinfo,
  revocation: { kind: "none", note: "Users revoke access at https://huggingface.co/settings/connected-applications." },
  hosts: [
    { name: "hub", base_url: "https://huggingface.co/api" },
    { name: "inference", base_url: "https://router.huggingface.co", binary_media_types: ["*/*"] },
  ],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: ["https://huggingface.co/docs/hub/oauth", "https://huggingface.co/.well-known/openid-configuration"],
  unverified: [
    "authorization_url, token_url, client_auth: from public knowledge; read the discovery document",
    "lifetime: whether a refresh token is returned, and how long tokens are valid; make one exchange and two refreshes",
    "common_scopes, identity: names from public knowledge; complete one consent and make one call",
    "revocation: not researched; check the discovery document for an endpoint",
  ],
});
