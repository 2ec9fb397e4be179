/**
 * Zoom. https://developers.zoom.us/docs/integrations/oauth/
 *
 * Peculiar: scopes are the app's; the answer names an API address of the person's region; errors have a `reason`;
 * one-time refresh tokens. Unverified: what a used refresh token does, the reach of revocation, the words of errors.
 */
import { json } from "../engine/answer.ts";
import { randomId, stableId } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, person, plainVendor, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://developers.zoom.us/docs/integrations/oauth/";
const AUTH = ["zoom.us"];

const denied = deniedBy((problem) =>
  problem === "scope"
    ? { code: 4711, message: "Invalid access token, does not contain scopes." }
    : { code: 124, message: "Invalid access token." },
);
const api = apiOf({ hosts: ["api.zoom.us"], denied });

export const zoom = plainVendor({
  id: "zoom",
  name: "Zoom",
  capabilities: capable(DOCS),
  authorize: { hosts: AUTH, path: "/oauth/authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    client_auth: ["basic"],
    code_life_s: 300,
    life: expiring(3600, { rotates: true, refresh_life_s: 7_776_000 }),
    errorBody: ({ error, description }) => ({ reason: description, error }),
    mintAccess: () => `${randomId(40)}.${randomId(300)}.${randomId(64)}`,
    mintRefresh: () => `${randomId(40)}.${randomId(300)}.${randomId(64)}`,
    answer: (context) => ({
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
      done: () => json(200, { status: "success" }),
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
