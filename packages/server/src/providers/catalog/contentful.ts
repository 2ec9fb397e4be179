/**
 * Contentful. https://www.contentful.com/developers/docs/extensibility/oauth (checked 2026-11-23)
 *
 * Departs from RFC 6749 in §5.1 (neither `expires_in` nor a refresh token).
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://api.contentful.com/users/me" } as const;

export const contentful = defineProvider({
  id: "contentful",
  display_name: "Contentful",
  description: "Spaces, content types and entries.",
  vendor: "contentful",
  docs_url: "https://www.contentful.com/developers/docs/extensibility/oauth/",
  registration: {
    url: "https://app.contentful.com/account/profile/developers/applications",
    notes: ["Create an OAuth application in your account's profile and select content_management_manage."],
  },
  traps: ["The token can access every space that the user can access."],
  authorization_url: "https://be.contentful.com/oauth/authorize",
  token_url: "https://be.contentful.com/oauth/token",
  client_auth: "client_secret_post",
  default_scopes: ["content_management_manage"],
  common_scopes: [
    { scope: "content_management_manage", meaning: "read and write content and content types" },
    { scope: "content_management_read", meaning: "read content and content types" },
  ],
  pkce: "none",
  lifetime: { access_s: null, refresh: { kind: "none" }, refresh_idle_s: null, refresh_absolute_s: null },
  identity: { from: "request", request: me, account: { id: "sys.id", label: "firstName", email: "email" } },
  health: me,
  revocation: { kind: "none", note: "Users revoke access in their Contentful profile, under authorized applications." },
  hosts: [
    { name: "api", base_url: "https://api.contentful.com", request_headers: ["x-contentful-version"] },
    { name: "upload", base_url: "https://upload.contentful.com" },
  ],
  errors: { refused: [], misconfigured: [], transient: [] },
  deviations: [{ name: "assume_bearer" }],
  sources: ["https://www.contentful.com/developers/docs/extensibility/oauth/"],
  unverified: [
    "lifetime: whether tokens expire, and whether a refresh token is ever returned; make one exchange",
    "identity: paths from memory; make one call",
    "common_scopes: names from memory; complete one consent with each",
    "pkce, revocation: no documentation found; send a wrong verifier, and ask the vendor",
  ],
});
