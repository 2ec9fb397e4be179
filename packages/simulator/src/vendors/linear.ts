/**
 * Linear. https://linear.app/developers/oauth-2-0-authentication
 *
 * Peculiar: comma scopes; one-time refresh tokens; the API is GraphQL, whose success is `data`; revocation takes the
 * token as Bearer or as a form field and says 400 for one that is revoked already. Unverified: that a used refresh
 * token ends the grant, the space between granted scopes.
 */
import { empty, json } from "../engine/answer.ts";
import { bearer } from "../engine/incoming.ts";
import type { Account, Answer, JsonObject, OpenRoute, RouteContext, TokenRoute } from "../engine/types.ts";
import { randomLetters, stableUuid } from "../engine/values.ts";
import { capable, deniedBy, expiring, orgName, person, plainVendor, scopeList, tokenBody } from "./kit.ts";

const DOCS = "https://linear.app/developers/oauth-2-0-authentication";
const API = ["api.linear.app"];

const failure = (message: string, code: string, type: string): JsonObject => ({
  errors: [{ message, extensions: { code, type, userError: true, userPresentableMessage: message } }],
});

const denied = deniedBy((problem) =>
  problem === "scope"
    ? failure("Invalid scope: `read` required", "FORBIDDEN", "forbidden")
    : failure("Authentication required, not authenticated", "AUTHENTICATION_ERROR", "authentication error"),
);

const viewer = (account: Account): JsonObject => ({
  id: stableUuid("linear", account.email),
  name: person(account).full,
  email: account.email,
});

const organization = (account: Account): JsonObject => ({
  id: stableUuid("linear org", account.org),
  urlKey: account.org,
  name: orgName(account),
});

const ROOTS: Readonly<Record<string, (account: Account) => JsonObject>> = {
  viewer,
  organization,
  teams: ({ org }) => ({ nodes: [{ id: stableUuid("linear team", org), key: "ENG", name: "Engineering" }] }),
};

/** Gives each root field whole, whatever was selected below it: enough for callers that read what they asked for. */
function graphql({ incoming }: RouteContext, { account }: { readonly account: Account }): Answer {
  const query = incoming.fields.get("query") ?? "";
  const asked = Object.entries(ROOTS).filter(([name]) => new RegExp(`\\b${name}\\b`).test(query));
  if (asked.length === 0)
    return json(400, failure("Cannot query this field.", "GRAPHQL_VALIDATION_FAILED", "graphql error"));
  return json(200, { data: Object.fromEntries(asked.map(([name, give]) => [name, give(account)])) });
}

const api: TokenRoute = {
  hosts: API,
  method: "POST",
  path: "/graphql",
  kind: ({ fields }) => (/\bviewer\b/.test(fields.get("query") ?? "") ? "identity" : "resource"),
  auth: "token",
  scopes: ["read", "write", "admin"],
  denied,
  handle: graphql,
};

function revoke({ incoming, revokeToken }: RouteContext): Answer {
  const token = bearer(incoming) ?? incoming.fields.get("token") ?? "";
  if (token === "") return json(401, { error: "invalid_token" });
  return revokeToken(token, "grant") === null ? json(400, { error: "invalid_token" }) : empty(200);
}

const revocation: OpenRoute = {
  hosts: API,
  method: "POST",
  path: "/oauth/revoke",
  kind: "revoke",
  auth: "none",
  handle: revoke,
};

export const linear = plainVendor({
  id: "linear",
  name: "Linear",
  capabilities: capable(`${DOCS}.md`),
  authorize: {
    hosts: ["linear.app"],
    path: "/oauth/authorize",
    scope_lists: scopeList(","),
    response_type_required: true,
    pkce: "supported",
    pkce_plain: true,
  },
  token: {
    hosts: API,
    path: "/oauth/token",
    client_auth: ["post", "basic"],
    life: expiring(86_399, { rotates: true }),
    mintAccess: () => `lin_oauth_${randomLetters(64).toLowerCase()}`,
    mintRefresh: () => `lin_refresh_${randomLetters(64).toLowerCase()}`,
    answer: (context) => tokenBody(context, " ", "Bearer"),
  },
  routes: [api, revocation],
});
