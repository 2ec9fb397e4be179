/**
 * Spotify. https://developer.spotify.com/documentation/web-api/tutorials/code-flow
 *
 * Quirks: a refresh reply has no refresh token when the old one stays valid. Unverified: when it
 * returns a new one (mode `rotate`), error texts.
 */
import { errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import { person, randomId, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody, unsupported } from "./kit.ts";

const DOCS = "https://developer.spotify.com/documentation/web-api/tutorials/code-flow";
const REFRESH = "https://developer.spotify.com/documentation/web-api/tutorials/refreshing-tokens";
const AUTH = ["accounts.spotify.com"];

const denied = denyWith((problem, status) => ({
  error: { status, message: problem === "scope" ? "Insufficient client scope" : "The access token expired" },
}));
const api = defineApi({ hosts: ["api.spotify.com"], denied });

export const spotify = defineVendor({
  id: "spotify",
  name: "Spotify",
  capabilities: capabilitiesOf(DOCS, { refresh: REFRESH, rotate: unsupported(REFRESH), revoke: unsupported(DOCS) }),
  authorize: { hosts: AUTH, path: "/authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: AUTH,
    path: "/api/token",
    client_auth: ["basic", "post"],
    life: expiring(3600),
    errors: errorTable({
      bad_secret: spec(400, "invalid_client", "Invalid client secret"),
      ...refreshErrors(spec(400, "invalid_grant", "Refresh token revoked")),
    }),
    newAccessToken: () => `BQ${randomId(120)}`,
    newRefreshToken: () => `AQ${randomId(96)}`,
    successBody: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [
    api("GET", "identity", "/v1/me", ({ account, scopes }) => ({
      type: "user",
      id: stableId("spotify", account.email, 25).toLowerCase(),
      display_name: person(account).full,
      email: scopes.includes("user-read-email") ? account.email : undefined,
      uri: `spotify:user:${stableId("spotify", account.email, 25).toLowerCase()}`,
    })),
    api("GET", "resource", "/v1/me/playlists", () => ({ items: [], limit: 20, offset: 0, total: 0 })),
  ],
});
