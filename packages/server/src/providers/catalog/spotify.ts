/**
 * Spotify. https://developer.spotify.com/documentation/web-api/tutorials/code-flow
 * (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636. A refresh response does not always have a new refresh token, so each
 * one is treated as single use. Based on public catalogs. No vendor page was consulted.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://api.spotify.com/v1/me" } as const;

export const spotify = defineProvider({
  id: "spotify",
  display_name: "Spotify",
  description: "Library, playlists and playback.",
  vendor: "spotify",
  docs_url: "https://developer.spotify.com/documentation/web-api/tutorials/code-flow",
  registration: {
    url: "https://developer.spotify.com/dashboard",
    notes: [
      "A redirect URI on your own machine must use 127.0.0.1 or [::1]. Plain http with the name localhost is rejected.",
    ],
  },
  traps: ["While the app is in development mode, only users listed by its owner can connect."],
  authorization_url: "https://accounts.spotify.com/authorize",
  token_url: "https://accounts.spotify.com/api/token",
  client_auth: "client_secret_basic",
  default_scopes: ["user-read-email"],
  common_scopes: [
    { scope: "user-read-email", meaning: "email address" },
    { scope: "user-read-private", meaning: "country and subscription type" },
    { scope: "user-library-read", meaning: "read saved tracks and albums" },
    { scope: "user-library-modify", meaning: "change saved tracks and albums" },
    { scope: "playlist-read-private", meaning: "read private playlists" },
    { scope: "playlist-modify-private", meaning: "change private playlists" },
    { scope: "playlist-modify-public", meaning: "change public playlists" },
    { scope: "user-read-playback-state", meaning: "current playback state" },
    { scope: "user-modify-playback-state", meaning: "control playback" },
    { scope: "user-read-recently-played", meaning: "recently played tracks" },
  ],
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: me, account: { id: "id", label: "display_name", email: "email" } },
  health: me,
  revocation: { kind: "none", note: "Users revoke access at https://www.spotify.com/account/apps/." },
  hosts: [{ name: "api", base_url: "https://api.spotify.com/v1" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developer.spotify.com/documentation/web-api/tutorials/code-flow",
    "https://www.npmjs.com/package/@nangohq/providers",
    "https://www.npmjs.com/package/arctic",
  ],
  unverified: [
    "lifetime.refresh: when a new refresh token is returned, and whether the old one stays valid; send one twice",
    "pkce: that a client with a secret can use it; send a wrong verifier",
    "client_auth: one catalog sends it in the body; make one exchange",
    "common_scopes, identity: names from public knowledge; complete one consent with each and make one call",
    "revocation: no endpoint found, page URL from memory; open the page with a connected account",
  ],
});
