/**
 * Strava. https://developers.strava.com/docs/authentication/
 *
 * Peculiar: comma scopes, and the granted ones in the redirect alone; the first answer names the athlete, the later ones
 * do not; errors are a list that names the resource at fault; revocation takes the access token as a form and ends all of
 * the athlete's. Unverified: when a refresh brings another refresh token (here: always), the words of errors.
 */
import { json } from "../engine/answer.ts";
import { codeErrors, errorTable, refreshErrors, spec } from "../engine/errors.ts";
import type { Account, ErrorSpec, JsonObject } from "../engine/types.ts";
import { randomLetters, stableNumber } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, person, plainVendor, revocation, scopeList, tokenBody } from "./kit.ts";

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

const denied = deniedBy((kind) =>
  kind === "scope"
    ? problem("Authorization Error", "AccessToken", "read_permission")
    : problem("Authorization Error", "Athlete", "access_token"),
);
const api = apiOf({ hosts: HOSTS, denied });

const athlete = (account: Account): JsonObject => ({
  id: stableNumber("strava", account.email),
  username: null,
  resource_state: 2,
  firstname: person(account).first,
  lastname: person(account).last,
});

export const strava = plainVendor({
  id: "strava",
  name: "Strava",
  capabilities: capable(DOCS),
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
    mintAccess: () => randomLetters(40).toLowerCase(),
    mintRefresh: () => randomLetters(40).toLowerCase(),
    answer: (context) => {
      const { expires_in } = tokenBody(context, null);
      const expires_at = typeof expires_in === "number" ? Math.floor(context.now / 1000) + expires_in : undefined;
      const whose = context.leg === "exchange" ? { athlete: athlete(context.account) } : {};
      return { ...tokenBody(context, null, "Bearer"), expires_at, ...whose };
    },
  },
  routes: [
    revocation({
      hosts: HOSTS,
      path: "/oauth/deauthorize",
      fields: ["access_token"],
      reach: "account",
      done: () => json(200, {}),
    }),
    api("GET", "identity", "/api/v3/athlete", ({ account }) => athlete(account), ["read", "profile:read_all"]),
    api("GET", "resource", "/api/v3/athlete/activities", () => [], ["activity:read", "activity:read_all"]),
  ],
});
