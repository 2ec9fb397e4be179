/**
 * Strava. https://developers.strava.com/docs/authentication/
 *
 * Quirks: scopes are separated by commas, and only the redirect names the granted ones. The first
 * reply has the athlete, later ones do not. Errors are a list that names the resource at fault.
 * Revocation takes the access token in a form and ends all tokens of the athlete. Unverified: when
 * a refresh returns a new refresh token (here: always), error texts.
 */
import { json } from "../engine/reply.ts";
import { codeErrors, errorTable, refreshErrors, spec } from "../engine/oauth/errors.ts";
import type { Account, ErrorSpec, JsonObject } from "../engine/types.ts";
import { person, randomLetters, stableNumber } from "../engine/values.ts";
import {
  capabilitiesOf,
  defineApi,
  defineVendor,
  denyWith,
  expiring,
  revocation,
  scopeList,
  tokenBody,
} from "./kit.ts";

const DOCS = "https://developers.strava.com/docs/authentication/";
const HOSTS = ["www.strava.com"];

const problem = (message: string, resource: string, field: string): JsonObject => ({
  message,
  errors: [{ resource, field, code: "invalid" }],
});

/** `error` is the resource, `description` its field. */
const errorBody = ({ status, error, description }: ErrorSpec): JsonObject =>
  problem(status === 401 ? "Authorization Error" : "Bad Request", error, description);

const badClient = spec(401, "Application", "client_secret");

const denied = denyWith((kind) =>
  kind === "scope"
    ? problem("Authorization Error", "AccessToken", "read_permission")
    : problem("Authorization Error", "Athlete", "access_token"),
);
const api = defineApi({ hosts: HOSTS, denied });

const athlete = (account: Account): JsonObject => ({
  id: stableNumber("strava", account.email),
  username: null,
  resource_state: 2,
  firstname: person(account).first,
  lastname: person(account).last,
});

export const strava = defineVendor({
  id: "strava",
  name: "Strava",
  capabilities: capabilitiesOf(DOCS),
  authorize: {
    hosts: HOSTS,
    path: "/oauth/authorize",
    scope_lists: scopeList(","),
    scope_required: true,
    response_type_required: true,
    callback: ({ scopes }) => ({ scope: scopes.join(",") }),
  },
  token: {
    hosts: HOSTS,
    path: "/api/v3/oauth/token",
    redirect_uri_required: false,
    life: expiring(21_600, { rotates: true, on_reuse: "refused" }),
    errors: errorTable({
      no_client: spec(400, "Application", "client_id"),
      no_secret: badClient,
      bad_secret: badClient,
      ...codeErrors(spec(400, "AuthorizationCode", "code")),
      ...refreshErrors(spec(400, "RefreshToken", "refresh_token")),
    }),
    errorBody,
    newAccessToken: () => randomLetters(40).toLowerCase(),
    newRefreshToken: () => randomLetters(40).toLowerCase(),
    successBody: (context) => {
      const { expires_in } = tokenBody(context, null);
      const expires_at = typeof expires_in === "number" ? Math.floor(context.now / 1000) + expires_in : undefined;
      const identity = context.leg === "exchange" ? { athlete: athlete(context.account) } : {};
      return { ...tokenBody(context, null, "Bearer"), expires_at, ...identity };
    },
  },
  routes: [
    revocation({
      hosts: HOSTS,
      path: "/oauth/deauthorize",
      fields: ["access_token"],
      reach: "account",
      success: () => json(200, {}),
    }),
    api("GET", "identity", "/api/v3/athlete", ({ account }) => athlete(account), ["read", "profile:read_all"]),
    api("GET", "resource", "/api/v3/athlete/activities", () => [], ["activity:read", "activity:read_all"]),
  ],
});
