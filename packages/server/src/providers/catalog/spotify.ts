/**
 * Spotify. https://developer.spotify.com/documentation/web-api/tutorials/code-flow (checked 2026-11-23)
 *
 * Follows RFC 6749 and 7636. A refresh answer may or may not bring another refresh token, so one is treated as single
 * use. Written from public catalogs: no vendor page was opened.
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
      "A redirect URI on one's own machine must have 127.0.0.1 or [::1]: plain http is refused for the word localhost.",
    ],
  },
  traps: ["While the app is in development mode, only people whom its owner has listed can connect."],
  authorization_url: "https://accounts.spotify.com/authorize",
  token_url: "https://accounts.spotify.com/api/token",
  client_auth: "client_secret_basic",
  default_scopes: ["user-read-email"],
  common_scopes: [
    { scope: "user-read-email", meaning: "e-mail address" },
    { scope: "user-read-private", meaning: "country and kind of subscription" },
    { scope: "user-library-read", meaning: "read saved tracks and albums" },
    { scope: "user-library-modify", meaning: "change saved tracks and albums" },
    { scope: "playlist-read-private", meaning: "read private playlists" },
    { scope: "playlist-modify-private", meaning: "change private playlists" },
    { scope: "playlist-modify-public", meaning: "change public playlists" },
    { scope: "user-read-playback-state", meaning: "what is playing" },
    { scope: "user-modify-playback-state", meaning: "control playback" },
    { scope: "user-read-recently-played", meaning: "what was played lately" },
  ],
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: null,
    refresh_absolute_s: null,
  },
  identity: { from: "request", request: me, account: { id: "id", label: "display_name", email: "email" } },
  health: me,
  revocation: { kind: "none", note: "People end access at https://www.spotify.com/account/apps/." },
  hosts: [{ name: "api", base_url: "https://api.spotify.com/v1" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developer.spotify.com/documentation/web-api/tutorials/code-flow",
    "https://www.npmjs.com/package/@nangohq/providers",
    "https://www.npmjs.com/package/arctic",
  ],
  unverified: [
    "lifetime.refresh: when a new refresh token comes, and whether the old one works on; send one twice",
    "pkce: that a client with a secret may send it; send a wrong verifier",
    "client_auth: one catalog has it in the body; one exchange",
    "common_scopes, identity: names from public knowledge; one consent with each and one call",
    "revocation: no endpoint was found, and the page's address is from memory; open it with a connected account",
  ],
});
