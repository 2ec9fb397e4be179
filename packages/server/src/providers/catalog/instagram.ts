/**
 * Instagram, business and creator accounts.
 * https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login
 * (checked 2026-11-23)
 *
 * The code yields a token for one hour, which is exchanged for a token valid 60 days. That token
 * renews itself: a GET with the token in the query, which is not a refresh as in RFC 6749 §6.
 * Further departures: commas between scopes (§3.3), no `token_type` (§5.1) and errors as objects
 * (§5.2). Based on public knowledge. No vendor page was consulted.
 */
import { defineProvider } from "../provider.ts";

const GRAPH = "https://graph.instagram.com";
const me = { method: "GET", url: `${GRAPH}/me?fields=user_id,username` } as const;

export const instagram = defineProvider({
  id: "instagram",
  display_name: "Instagram Business",
  description: "Media, comments, messages and insights of a professional account.",
  vendor: "instagram",
  flow: {
    kind: "authorization_code",
    long_lived: {
      exchange: {
        method: "GET",
        url: `${GRAPH}/access_token`,
        auth: "none",
        query: { grant_type: "ig_exchange_token", client_secret: "{client_secret}", access_token: "{access_token}" },
      },
      renewal: {
        method: "GET",
        url: `${GRAPH}/refresh_access_token`,
        auth: "none",
        query: { grant_type: "ig_refresh_token", access_token: "{access_token}" },
      },
    },
  },
  docs_url: "https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login",
  registration: {
    url: "https://developers.facebook.com/apps/",
    notes: [
      "Add the product Instagram with business login. Use the Instagram app id and secret for the OAuth client, not those of the app itself.",
      "Redirect URIs must be https.",
    ],
  },
  traps: [
    "Personal accounts cannot connect. They must be converted to professional accounts first.",
    "A token that is not renewed for 60 days expires, and the connection ends with it.",
    "Until the app is reviewed, only users with a role in it can connect.",
  ],
  https_redirect_only: true,
  authorization_url: "https://www.instagram.com/oauth/authorize",
  token_url: "https://api.instagram.com/oauth/access_token",
  client_auth: "client_secret_post",
  scope_separator: ",",
  default_scopes: ["instagram_business_basic"],
  required_scopes: ["instagram_business_basic"],
  common_scopes: [
    { scope: "instagram_business_basic", meaning: "profile and media" },
    { scope: "instagram_business_content_publish", meaning: "publish posts" },
    { scope: "instagram_business_manage_comments", meaning: "read and reply to comments" },
    { scope: "instagram_business_manage_messages", meaning: "read and send messages" },
    { scope: "instagram_business_manage_insights", meaning: "insights" },
  ],
  pkce: "none",
  lifetime: {
    access_s: 5_184_000,
    refresh: { kind: "stays" },
    refresh_idle_s: 5_184_000,
    refresh_absolute_s: null,
  },
  derived_config: [{ name: "user_id", from: "identity", path: "user_id", pattern: "^\\d{5,25}$" }],
  identity: { from: "request", request: me, account: { id: "user_id", label: "username", email: null } },
  health: me,
  revocation: { kind: "none", note: "Users revoke access in Instagram under Website permissions > Apps and websites." },
  hosts: [{ name: "api", base_url: GRAPH }],
  errors: { refused: ["190", "OAuthException"], misconfigured: ["101"], transient: ["1", "2", "4", "17"] },
  deviations: [
    { name: "assume_bearer" },
    { name: "renamed_members", members: { permissions: "scope" } },
    { name: "error_name", path: "error.code" },
    { name: "error_name", path: "error_type" },
  ],
  sources: ["https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login"],
  unverified: [
    "authorization_url, token_url, flow: from public knowledge; complete one consent, one exchange, one renewal after a day",
    "errors: numbers from public knowledge; remove the app, then renew and call",
    "common_scopes, identity: names from public knowledge; complete one consent and make one call",
    "lifetime: that an old token stays valid after its renewal; call with both",
  ],
});
