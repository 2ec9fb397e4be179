/**
 * Zoom. https://developers.zoom.us/docs/integrations/oauth (checked 2026-11-23)
 *
 * Follows RFC 6749, 7009 and 7636, with scopes set on the app (§3.3). A refresh token works once. Written from public
 * catalogs; of the vendor's pages one beside the guide was read in excerpts.
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
      "Make a General App that is managed by users.",
      "Tick the scopes on the app: the request cannot ask for others. user:read:user is needed to name the account.",
    ],
  },
  traps: ["Until Zoom has reviewed the app, only people of the account that made it can connect."],
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
    "lifetime: one hour and 90 days from public catalogs, what a used refresh token does; send one twice",
    "errors: older reports have invalid_request for a dead refresh token; refresh with one",
    "client_auth: one catalog has it in the body; one exchange",
    "revocation: whether the refresh token ends with the access token; revoke and refresh",
    "hosts: whether people of other regions must be asked for at api_url; one call in the name of one",
  ],
});
