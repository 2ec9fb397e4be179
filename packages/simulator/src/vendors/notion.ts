/**
 * Notion. https://developers.notion.com/guides/get-started/authorization
 *
 * Quirks: the token endpoint accepts only JSON bodies and HTTP Basic. There are no scopes. There is
 * a refresh token, but no announced expiry. A refresh replaces both tokens. The API requires a
 * Notion-Version header. The token endpoint does not: widely used clients omit it there.
 */
import { apiError, notionRoutes } from "../apis/notion.ts";
import { json } from "../engine/reply.ts";
import { errorTable, rfcErrorBody, spec } from "../engine/oauth/errors.ts";
import type {
  Account,
  Caller,
  Incoming,
  IssueContext,
  JsonObject,
  Reply,
  RouteContext,
  TokenProblem,
  Vendor,
} from "../engine/types.ts";
import { DEFAULT_ORG, randomLetters, stableUuid } from "../engine/values.ts";
import { capabilitiesOf } from "./kit.ts";

const DOCS = "https://developers.notion.com/guides/get-started/authorization";
const USER = "https://developers.notion.com/reference/get-self";
const HOSTS = ["api.notion.com"];

const workspace = ({ org }: Account) => ({
  workspace_id: stableUuid("notion workspace", org),
  workspace_name: org === DEFAULT_ORG ? "Acme" : org,
});

const botId = (account: Account, client_id: string): string =>
  stableUuid("notion bot", `${account.email} ${client_id}`);

const owner = ({ name, email }: Account): JsonObject => ({
  type: "user",
  user: {
    object: "user",
    id: stableUuid("notion user", email),
    name,
    avatar_url: null,
    type: "person",
    person: { email },
  },
});

function precheck(incoming: Incoming): Reply | null {
  const version = incoming.headers["notion-version"];
  if (typeof version === "string" && /^\d{4}-\d{2}-\d{2}$/.test(version)) return null;
  const found = version === undefined ? "undefined" : String(version);
  const words = `Notion-Version header failed validation: it should be defined, instead was \`${found}\`.`;
  return apiError(400, "missing_version", words);
}

function denied(problem: TokenProblem): Reply {
  if (problem === "scope") return apiError(403, "restricted_resource", "Insufficient permissions for this endpoint.");
  return apiError(401, "unauthorized", "API token is invalid.");
}

function successBody({ issued: [issued], account, client_id }: IssueContext): JsonObject {
  return {
    access_token: issued?.access_token,
    token_type: "bearer",
    refresh_token: issued?.refresh_token ?? null,
    bot_id: botId(account, client_id),
    ...workspace(account),
    workspace_icon: null,
    owner: owner(account),
    duplicated_template_id: null,
    request_id: stableUuid("notion request", issued?.access_token ?? ""),
  };
}

function revoke({ incoming, checkClient, revokeToken }: RouteContext): Reply {
  const client = checkClient("basic");
  if (!client.ok) return json(401, { error: "invalid_client", error_description: "Client authentication failed." });
  if (incoming.body_type !== "json") return apiError(400, "invalid_json", "Error parsing JSON body.");
  const token = incoming.fields.get("token");
  if (token === undefined) return apiError(400, "validation_error", "body.token should be defined.");
  if (revokeToken(token, "token", client.client_id) !== null) return json(200, {});
  return json(400, { error: "invalid_token", error_description: "The token is not valid." });
}

function me(_: RouteContext, { account, client_id }: Caller): Reply {
  const bot = { owner: owner(account), ...workspace(account) };
  return json(200, { object: "user", id: botId(account, client_id), name: "Holdfast", type: "bot", bot });
}

export const notion: Vendor = {
  id: "notion",
  name: "Notion",
  serves: ["notion"],
  capabilities: capabilitiesOf(DOCS, { identity: USER, health: USER }),
  authorize: {
    hosts: HOSTS,
    path: "/v1/oauth/authorize",
    scope_lists: [{ label: "access", param: "scope", separator: " " }],
    response_type_required: true,
    pkce: "ignored",
    offline: () => true,
  },
  token: {
    hosts: HOSTS,
    path: "/v1/oauth/token",
    client_auth: ["basic"],
    body: ["json"],
    code_life_s: 600,
    redirect_uri_required: true,
    errors: errorTable({
      no_client: spec(401, "invalid_client", "Missing client credentials."),
      wrong_body: spec(400, "invalid_request", "The request body must be JSON."),
      wrong_redirect: spec(400, "invalid_grant", "Invalid redirect_uri."),
    }),
    errorBody: rfcErrorBody,
    policy: () => ({
      access_life_s: null,
      announces_expiry: false,
      rotates: true,
      old_access_dies: true,
      refresh_life_s: null,
    }),
    newCode: () => randomLetters(36).toLowerCase(),
    newAccessToken: () => `ntn_${randomLetters(46)}`,
    newRefreshToken: () => `nrt_${randomLetters(60)}`,
    successBody,
  },
  routes: [
    { hosts: HOSTS, method: "POST", path: "/v1/oauth/revoke", kind: "revoke", auth: "none", handle: revoke },
    {
      hosts: HOSTS,
      method: "GET",
      path: "/v1/users/me",
      kind: "identity",
      auth: "token",
      precheck,
      denied,
      handle: me,
    },
    ...notionRoutes({ hosts: HOSTS, precheck, denied }),
  ],
};
