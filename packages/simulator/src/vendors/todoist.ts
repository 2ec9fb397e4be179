/**
 * Todoist. https://developer.todoist.com/api/v1/
 *
 * Quirks: scopes are separated by commas. Errors have their own names. Tokens never expire and
 * cannot be refreshed. RFC 7009 revocation accepts JSON. Unverified: the shapes of API errors.
 */
import { codeErrors, errorTable, spec } from "../engine/oauth/errors.ts";
import { person, randomLetters, stableNumber } from "../engine/values.ts";
import {
  capabilitiesOf,
  defineApi,
  defineVendor,
  denyWith,
  FOREVER,
  revocation,
  scopeList,
  tokenBody,
  unsupported,
} from "./kit.ts";

const DOCS = "https://developer.todoist.com/api/v1/";
const REVOKE = "https://doist.github.io/todoist-sdk-typescript/api/type-aliases/RevokeTokenRequestArgs";
const AUTH = ["todoist.com"];
const API = ["api.todoist.com"];

const badClient = spec(400, "incorrect_application_credentials", "");

const denied = denyWith((problem, http_code) => ({
  error: problem === "scope" ? "Insufficient Token scope" : "Unauthorized",
  error_tag: problem === "scope" ? "AUTH_INSUFFICIENT_TOKEN_SCOPE" : "UNAUTHORIZED",
  error_code: 401,
  http_code,
}));
const api = defineApi({ hosts: API, denied });

export const todoist = defineVendor({
  id: "todoist",
  name: "Todoist",
  capabilities: capabilitiesOf(DOCS, { refresh: unsupported(DOCS), rotate: unsupported(DOCS), revoke: REVOKE }),
  authorize: {
    hosts: AUTH,
    path: "/oauth/authorize",
    scope_lists: scopeList(","),
    scope_required: true,
    offline: () => false,
  },
  token: {
    hosts: AUTH,
    path: "/oauth/access_token",
    life: FOREVER,
    redirect_uri_required: false,
    grant_type_optional: true,
    errors: errorTable({
      no_secret: badClient,
      bad_secret: badClient,
      ...codeErrors(spec(400, "bad_authorization_code", "")),
    }),
    errorBody: ({ error }) => ({ error }),
    newAccessToken: () => randomLetters(40).toLowerCase(),
    successBody: (context) => tokenBody(context, null, "Bearer"),
  },
  routes: [
    revocation({
      hosts: API,
      path: "/api/v1/revoke",
      client_auth: ["basic"],
      body: ["form", "json"],
      reach: "grant",
    }),
    api(
      "GET",
      "identity",
      "/api/v1/user",
      ({ account }) => ({
        id: String(stableNumber("todoist", account.email)),
        full_name: person(account).full,
        email: account.email,
        lang: "en",
      }),
      ["data:read", "data:read_write"],
    ),
    api("GET", "resource", "/api/v1/projects", () => ({ results: [], next_cursor: null }), [
      "data:read",
      "data:read_write",
    ]),
  ],
});
