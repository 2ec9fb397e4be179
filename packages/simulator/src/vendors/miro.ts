/**
 * Miro. https://developers.miro.com/docs/getting-started-with-oauth
 *
 * Quirks: scopes are set on the app. The reply names user and team. Revocation is JSON in camel
 * case, and ends the refresh token together with the access token. Unverified: the effect of reuse,
 * the names at revocation, error texts.
 */
import { empty, json } from "../engine/reply.ts";
import type { Account, OpenRoute } from "../engine/types.ts";
import { orgName, person, randomId, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, tokenBody } from "./kit.ts";

const DOCS = "https://developers.miro.com/docs/getting-started-with-oauth";
const REVOKE = "https://developers.miro.com/v1.0/reference/revoke-token";
const API = ["api.miro.com"];

const userId = ({ email }: Account): string => `30744573${stableNumber("miro", email)}`;
const teamId = ({ org }: Account): string => `30744573${stableNumber("miro team", org)}`;

const denied = denyWith((problem, status) => ({
  type: "error",
  code: problem === "scope" ? "insufficientPermissions" : "tokenNotProvided",
  message: "Invalid or missing access token",
  status,
}));
const api = defineApi({ hosts: API, denied });

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

export const miro = defineVendor({
  id: "miro",
  name: "Miro",
  capabilities: capabilitiesOf(DOCS, { revoke: REVOKE }),
  authorize: { hosts: ["miro.com"], path: "/oauth/authorize", response_type_required: true },
  token: {
    hosts: API,
    path: "/v1/oauth/token",
    life: expiring(3600, { rotates: true, refresh_life_s: 5_184_000 }),
    newAccessToken: () => `eyJtaXJvLm9yaWdpbiI6ImV1MDEifQ_${randomId(20)}`,
    newRefreshToken: () => `eyJtaXJvLm9yaWdpbiI6ImV1MDEifQ_${randomId(20)}`,
    successBody: (context) => ({
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
