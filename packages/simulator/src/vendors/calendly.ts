/**
 * Calendly. https://developer.calendly.com/api-docs
 *
 * Peculiar: the answer names `owner` and `organization` as URIs, which the API asks for again; one-time refresh tokens.
 * Unverified: lifetimes, the reach of reuse, the shapes of API errors.
 */
import { json } from "../engine/answer.ts";
import type { Account } from "../engine/types.ts";
import { randomId, stableUuid } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, person, plainVendor, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://developer.calendly.com/api-docs";
const AUTH = ["auth.calendly.com"];
const URI = "https://api.calendly.com";

const owner = ({ email }: Account): string => `${URI}/users/${stableUuid("calendly", email)}`;
const organization = ({ org }: Account): string => `${URI}/organizations/${stableUuid("calendly org", org)}`;

const denied = deniedBy((problem) =>
  problem === "scope"
    ? { title: "Permission Denied", message: "This user is not authorized to perform this action." }
    : { title: "Unauthenticated", message: "The access token is invalid" },
);

const api = apiOf({ hosts: ["api.calendly.com"], denied });

export const calendly = plainVendor({
  id: "calendly",
  name: "Calendly",
  capabilities: capable(DOCS),
  authorize: { hosts: AUTH, path: "/oauth/authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: AUTH,
    path: "/oauth/token",
    client_auth: ["post", "basic"],
    life: expiring(7200, { rotates: true }),
    mintAccess: () => `${randomId(24)}.${randomId(200)}.${randomId(60)}`,
    mintRefresh: () => randomId(32),
    answer: (context) => ({
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
      done: () => json(200, {}),
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
