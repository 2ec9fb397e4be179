/**
 * Zoom. https://developers.zoom.us/docs/integrations/oauth/
 *
 * Quirks: scopes are set on the app. The reply has an API address in the user's region. Errors have
 * a `reason`. Refresh tokens are single-use. Unverified: the effect of reuse, the effect of
 * revocation on the other tokens, error texts.
 */
import { json } from "../engine/reply.ts";
import { person, randomId, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://developers.zoom.us/docs/integrations/oauth/";
const AUTH = ["zoom.us"];

const denied = denyWith((problem) =>
  problem === "scope"
    ? { code: 4711, message: "Invalid access token, does not contain scopes." }
    : { code: 124, message: "Invalid access token." },
);
const api = defineApi({ hosts: ["api.zoom.us"], denied });

export const zoom = defineVendor({
  id: "zoom",
  name: "Zoom",
  capabilities: capabilitiesOf(DOCS),
  authorize: { hosts: AUTH, path: "/oauth/authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    client_auth: ["basic"],
    code_life_s: 300,
    life: expiring(3600, { rotates: true, refresh_life_s: 7_776_000 }),
    errorBody: ({ error, description }) => ({ reason: description, error }),
    newAccessToken: () => `${randomId(40)}.${randomId(300)}.${randomId(64)}`,
    newRefreshToken: () => `${randomId(40)}.${randomId(300)}.${randomId(64)}`,
    successBody: (context) => ({
      ...tokenBody(context, null),
      scope: "user:read:user meeting:read:list_meetings",
      api_url: "https://api.zoom.us",
    }),
  },
  routes: [
    revocation({
      hosts: AUTH,
      path: "/oauth/revoke",
      client_auth: ["basic"],
      reach: "grant",
      success: () => json(200, { status: "success" }),
    }),
    api("GET", "identity", "/v2/users/me", ({ account }) => ({
      id: stableId("zoom", account.email, 22),
      first_name: person(account).first,
      last_name: person(account).last,
      display_name: person(account).full,
      email: account.email,
      status: "active",
    })),
    api("GET", "resource", "/v2/users/me/meetings", () => ({ page_size: 30, total_records: 0, meetings: [] })),
  ],
});
