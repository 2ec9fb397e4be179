/**
 * Calendly. https://developer.calendly.com/api-docs
 *
 * Quirks: the reply has `owner` and `organization` as URIs, which API calls take as parameters.
 * Refresh tokens are single-use. Unverified: lifetimes, the effect of reuse, the shapes of API
 * errors.
 */
import { json } from "../engine/reply.ts";
import type { Account } from "../engine/types.ts";
import { person, randomId, stableUuid } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://developer.calendly.com/api-docs";
const AUTH = ["auth.calendly.com"];
const URI = "https://api.calendly.com";

const owner = ({ email }: Account): string => `${URI}/users/${stableUuid("calendly", email)}`;
const organization = ({ org }: Account): string => `${URI}/organizations/${stableUuid("calendly org", org)}`;

const denied = denyWith((problem) =>
  problem === "scope"
    ? { title: "Permission Denied", message: "This user is not authorized to perform this action." }
    : { title: "Unauthenticated", message: "The access token is invalid" },
);

const api = defineApi({ hosts: ["api.calendly.com"], denied });

export const calendly = defineVendor({
  id: "calendly",
  name: "Calendly",
  capabilities: capabilitiesOf(DOCS),
  authorize: { hosts: AUTH, path: "/oauth/authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    client_auth: ["post", "basic"],
    life: expiring(7200, { rotates: true }),
    newAccessToken: () => `${randomId(24)}.${randomId(200)}.${randomId(60)}`,
    newRefreshToken: () => randomId(32),
    successBody: (context) => ({
      ...tokenBody(context, " ", "Bearer"),
      created_at: Math.floor(context.now / 1000),
      owner: owner(context.account),
      organization: organization(context.account),
    }),
  },
  routes: [
    revocation({
      hosts: AUTH,
      path: "/oauth/revoke",
      client_auth: ["post"],
      reach: "grant",
      success: () => json(200, {}),
    }),
    api("GET", "identity", "/users/me", ({ account }) => ({
      resource: {
        uri: owner(account),
        name: person(account).full,
        slug: account.name,
        email: account.email,
        timezone: "Etc/UTC",
        current_organization: organization(account),
      },
    })),
    api("GET", "resource", "/scheduled_events", () => ({
      collection: [],
      pagination: { count: 0, next_page: null, next_page_token: null },
    })),
  ],
});
