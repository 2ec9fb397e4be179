/**
 * Miro. https://developers.miro.com/docs/getting-started-with-oauth
 *
 * Peculiar: scopes are the app's; the answer names person and team; revocation is JSON in camel case and ends the refresh
 * token with the access token. Unverified: what a used refresh token does, the names at revocation, the words of errors.
 */
import { empty, json } from "../engine/answer.ts";
import type { Account, OpenRoute } from "../engine/types.ts";
import { randomId, stableNumber } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, orgName, person, plainVendor, tokenBody } from "./kit.ts";

const DOCS = "https://developers.miro.com/docs/getting-started-with-oauth";
const REVOKE = "https://developers.miro.com/v1.0/reference/revoke-token";
const API = ["api.miro.com"];

const userId = ({ email }: Account): string => `30744573${stableNumber("miro", email)}`;
const teamId = ({ org }: Account): string => `30744573${stableNumber("miro team", org)}`;

const denied = deniedBy((problem, status) => ({
  type: "error",
  code: problem === "scope" ? "insufficientPermissions" : "tokenNotProvided",
  message: "Invalid or missing access token",
  status,
}));
const api = apiOf({ hosts: API, denied });

const revoke: OpenRoute = {
  hosts: API,
  path: "/v2/oauth/revoke",
  method: "POST",
  kind: "revoke",
  auth: "none",
  handle: ({ incoming: { fields }, revokeToken, secretOf }) => {
    const [client_id, token] = [fields.get("clientId") ?? "", fields.get("accessToken") ?? ""];
    if (client_id === "" || fields.get("clientSecret") !== secretOf(client_id)) {
      return json(401, { type: "error", code: "invalidClient", message: "Wrong client credentials", status: 401 });
    }
    revokeToken(token, "grant", client_id);
    return empty(204);
  },
};

export const miro = plainVendor({
  id: "miro",
  name: "Miro",
  capabilities: capable(DOCS, { revoke: REVOKE }),
  authorize: { hosts: ["miro.com"], path: "/oauth/authorize", response_type_required: true },
  token: {
    hosts: API,
    path: "/v1/oauth/token",
    life: expiring(3600, { rotates: true, refresh_life_s: 5_184_000 }),
    mintAccess: () => `eyJtaXJvLm9yaWdpbiI6ImV1MDEifQ_${randomId(20)}`,
    mintRefresh: () => `eyJtaXJvLm9yaWdpbiI6ImV1MDEifQ_${randomId(20)}`,
    answer: (context) => ({
      ...tokenBody(context, null),
      scope: "boards:read boards:write",
      user_id: userId(context.account),
      team_id: teamId(context.account),
    }),
  },
  routes: [
    revoke,
    api("GET", "identity", "/v1/oauth-token", ({ account }) => ({
      type: "oAuthToken",
      scopes: ["boards:read", "boards:write"],
      team: { type: "team", id: teamId(account), name: orgName(account) },
      user: { type: "user", id: userId(account), name: person(account).full },
    })),
    api("GET", "resource", "/v2/boards", () => ({ data: [], total: 0, size: 0, offset: 0, limit: 20 })),
  ],
});
