/**
 * Dropbox. https://developers.dropbox.com/oauth-guide
 *
 * Quirks: a refresh token requires `token_access_type=offline`. API calls are POSTs. A call without
 * arguments has the JSON literal `null` as its body (`{}` is refused). Revocation is such a call,
 * authorized by the token that it ends. Unverified: error texts.
 */
import { dropboxRoutes, tagged } from "../apis/dropbox.ts";
import { json, text } from "../engine/reply.ts";
import { errorTable, spec } from "../engine/oauth/errors.ts";
import type { Account, Incoming, IssueContext, JsonObject, Reply, TokenProblem, TokenRoute } from "../engine/types.ts";
import { bearer } from "../engine/http/incoming.ts";
import { person, randomId, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, expiring, tokenBody } from "./kit.ts";

const DOCS = "https://developers.dropbox.com/oauth-guide";
const API = ["api.dropboxapi.com"];

const accountId = ({ email }: Account): string => `dbid:AASIM${stableNumber("dropbox", email)}-${"x".repeat(20)}`;

function denied(problem: TokenProblem, needed: readonly string[]): Reply {
  if (problem === "scope") return tagged(401, "missing_scope", { required_scope: needed[0] });
  return tagged(401, problem === "expired" ? "expired_access_token" : "invalid_access_token");
}

function requireNull(incoming: Incoming): Reply | null {
  if (incoming.body_type === "null") return null;
  const call = incoming.path.replace("/2/", "");
  return text(400, `Error in call to API function "${call}": request body: expected null, got value`);
}

const api = defineApi({ hosts: API, denied });
const bare = defineApi({ hosts: API, denied, precheck: requireNull });

const revoke: TokenRoute = {
  hosts: API,
  method: "POST",
  path: "/2/auth/token/revoke",
  kind: "revoke",
  auth: "token",
  denied,
  handle: ({ incoming, revokeToken }) => {
    revokeToken(bearer(incoming) ?? "", "grant");
    return json(200, null);
  },
};

function successBody(context: IssueContext): JsonObject {
  const { account, leg } = context;
  const identity = { uid: String(stableNumber("dropbox uid", account.email)), account_id: accountId(account) };
  return { ...tokenBody(context, " "), ...(leg === "exchange" ? identity : {}) };
}

export const dropbox = defineVendor({
  id: "dropbox",
  name: "Dropbox",
  capabilities: capabilitiesOf(DOCS, {
    rotate: { supported: false, source: "https://dropbox.tech/developers/using-oauth-2-0-with-offline-access" },
  }),
  authorize: {
    hosts: ["www.dropbox.com"],
    path: "/oauth2/authorize",
    response_type_required: true,
    pkce: "supported",
    pkce_plain: true,
    offline: ({ query }) => query.get("token_access_type") === "offline",
    denied: { error_description: "The user chose not to give your app access to their Dropbox account." },
  },
  token: {
    hosts: API,
    path: "/oauth2/token",
    client_auth: ["basic", "post"],
    life: expiring(14_400),
    errors: errorTable({
      bad_secret: spec(401, "invalid_client", "Invalid client_id or client_secret"),
      bad_code: spec(400, "invalid_grant", "code doesn't exist or has expired"),
      bad_refresh: spec(400, "invalid_grant", "refresh token is malformed"),
      revoked_refresh: spec(400, "invalid_grant", "refresh token is invalid or revoked"),
    }),
    newCode: () => randomId(32),
    newAccessToken: () => `sl.u.${randomId(130)}`,
    newRefreshToken: () => randomId(48),
    successBody,
  },
  routes: [
    revoke,
    bare(
      "POST",
      "identity",
      "/2/users/get_current_account",
      ({ account }) => ({
        account_id: accountId(account),
        name: { given_name: person(account).first, surname: person(account).last, display_name: person(account).full },
        email: account.email,
        email_verified: true,
        disabled: false,
        account_type: { ".tag": "basic" },
      }),
      ["account_info.read"],
    ),
    api("POST", "other", "/2/check/user", (_, { incoming }) => ({ result: incoming.fields.get("query") ?? "" })),
    ...dropboxRoutes({ hosts: API, denied }),
  ],
});
