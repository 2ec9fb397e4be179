/**
 * Zoom. https://developers.zoom.us/docs/integrations/oauth (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636, but scopes are set on the app (§3.3). A refresh token is single
 * use. Based on public catalogs. Of the vendor's pages, one other than the guide was read, in
 * excerpts.
 */
import { defineProvider } from "../provider.ts";

const me = { method: "GET", url: "https://api.zoom.us/v2/users/me" } as const;

export const zoom = defineProvider({
  id: "zoom",
  display_name: "Zoom",
  description: "Meetings, users and recordings.",
  vendor: "zoom",
  docs_url: "https://developers.zoom.us/docs/integrations/oauth/",
  registration: {
    url: "https://marketplace.zoom.us/develop/create",
    notes: [
      "Create a General App that is managed by users.",
      "Select the scopes on the app. A request cannot add others. user:read:user is needed to identify the account.",
    ],
  },
  traps: ["Until Zoom has reviewed the app, only users of the account that created it can connect."],
  authorization_url: "https://zoom.us/oauth/authorize",
  token_url: "https://zoom.us/oauth/token",
  client_auth: "client_secret_basic",
  scope_param: null,
  default_scopes: [],
  common_scopes: [],
  lifetime: {
    access_s: 3600,
    refresh: { kind: "rotates", reuse: "strict" },
    refresh_idle_s: 7_776_000,
    refresh_absolute_s: null,
  },
  derived_config: [
    {
      name: "api_url",
      from: "token",
      path: "api_url",
      pattern: "^https://[a-z0-9-]+(?:\\.[a-z0-9-]+)*\\.zoom\\.us$",
      under: ["zoom.us"],
    },
  ],
  identity: { from: "request", request: me, account: { id: "id", label: "display_name", email: "email" } },
  health: me,
  revocation: {
    kind: "rfc7009",
    url: "https://zoom.us/oauth/revoke",
    token: "access_token",
    client_auth: true,
    kills_grant: false,
  },
  hosts: [{ name: "api", base_url: "https://api.zoom.us/v2" }],
  errors: { refused: [], misconfigured: [], transient: [] },
  sources: [
    "https://developers.zoom.us/docs/integrations/oauth/",
    "https://developers.zoom.us/docs/rooms/oauth/",
    "https://www.npmjs.com/package/@nangohq/providers",
    "https://www.npmjs.com/package/arctic",
  ],
  unverified: [
    "lifetime: one hour and 90 days from public catalogs, and the effect of a used refresh token; send one twice",
    "errors: older reports show invalid_request for an invalid refresh token; refresh with one",
    "client_auth: one catalog sends it in the body; make one exchange",
    "revocation: whether the refresh token is revoked with the access token; revoke and refresh",
    "hosts: whether calls for users of other regions must go to api_url; make one call for such a user",
  ],
});
