/**
 * Defaults that most vendors share: RFC 6749 with form bodies, RFC 7009 revocation, Bearer routes
 * that return JSON. A profile states only how its vendor differs. Knows no vendor.
 */
import { empty, json } from "../engine/reply.ts";
import { errorTable, rfcErrorBody } from "../engine/oauth/errors.ts";
import type {
  AuthorizeSpec,
  Caller,
  Capabilities,
  Capability,
  IssueContext,
  Json,
  JsonObject,
  OpenRoute,
  Reply,
  RouteContext,
  TokenPolicy,
  TokenProblem,
  TokenRoute,
  TokenSpec,
  Vendor,
} from "../engine/types.ts";
import { randomLetters } from "../engine/values.ts";

type PartialExcept<T, K extends keyof T> = Partial<T> & Pick<T, K>;

interface VendorDefinition extends Omit<Vendor, "authorize" | "token" | "serves"> {
  /** Default: the vendor's id. */
  readonly serves?: readonly string[];
  readonly authorize: PartialExcept<AuthorizeSpec, "hosts" | "path">;
  /** `life` replaces `policy`. Mode `rotate` makes every refresh token single-use. */
  readonly token: PartialExcept<Omit<TokenSpec, "policy">, "hosts" | "path"> & { readonly life: TokenPolicy };
}

/** Tokens that never expire and cannot be refreshed. A profile overrides its vendor's lifetimes. */
export const FOREVER: TokenPolicy = {
  access_life_s: null,
  announces_expiry: false,
  rotates: false,
  old_access_dies: false,
  refresh_life_s: null,
};

/** Returns a policy of expiring access tokens, with a refresh token that does not rotate. */
export const expiring = (access_life_s: number, more: Partial<TokenPolicy> = {}): TokenPolicy => ({
  ...FOREVER,
  access_life_s,
  announces_expiry: true,
  ...more,
});

const SINGLE_USE = { rotates: true, reuse_grace_s: 0, on_reuse: "ends_grant" } as const;

export const scopeList = (separator: " " | ","): AuthorizeSpec["scope_lists"] => [
  { label: "scopes", param: "scope", separator },
];

export function defineVendor({ authorize, token, serves, ...rest }: VendorDefinition): Vendor {
  const { life, ...spec } = token;
  return {
    ...rest,
    serves: serves ?? [rest.id],
    authorize: { scope_lists: scopeList(" "), pkce: "ignored", offline: () => true, ...authorize },
    token: {
      client_auth: ["post"],
      body: ["form"],
      code_life_s: 600,
      redirect_uri_required: true,
      errors: errorTable({}),
      errorBody: rfcErrorBody,
      policy: (modes) => (modes.has("rotate") ? { ...life, ...SINGLE_USE } : life),
      newCode: () => randomLetters(40),
      newAccessToken: () => randomLetters(64),
      newRefreshToken: () => randomLetters(64),
      successBody: (context) => tokenBody(context, " "),
      ...spec,
    },
  };
}

/**
 * Returns the token reply of RFC 6749 section 5.1.
 * @param separator null: the vendor's replies have no scope.
 */
export function tokenBody(
  { issued: [issued] }: IssueContext,
  separator: " " | "," | null,
  type = "bearer",
): JsonObject {
  return {
    access_token: issued?.access_token,
    token_type: type,
    expires_in: issued?.expires_in,
    refresh_token: issued?.refresh_token,
    scope: separator === null ? undefined : issued?.scopes.join(separator),
  };
}

/** Consent issues a refresh token only with one of these scopes. */
export const withScope =
  (...scopes: readonly string[]): AuthorizeSpec["offline"] =>
  (context) =>
    scopes.some((scope) => context.scopes.includes(scope));

type BodyOf = (caller: Caller, context: RouteContext) => Json;
type Base = Pick<TokenRoute, "hosts" | "denied"> & Partial<Pick<TokenRoute, "precheck" | "presented" | "serves">>;

/**
 * Returns a factory for the routes of one API. `body` returns the JSON of a reply with HTTP 200.
 */
export function defineApi(base: Base) {
  return (
    method: TokenRoute["method"],
    kind: TokenRoute["kind"],
    path: string,
    body: BodyOf,
    scopes?: readonly string[],
  ): TokenRoute => {
    const handle: TokenRoute["handle"] = (context, caller) => json(200, body(caller, context));
    const route = { ...base, auth: "token", method, kind, path, handle } as const;
    return scopes === undefined ? route : { ...route, scopes };
  };
}

interface Revocation extends Pick<OpenRoute, "hosts" | "path"> {
  /** How the client authenticates. Default: no client credentials are required. */
  readonly client_auth?: readonly ("basic" | "post")[];
  readonly reach: "token" | "grant" | "account";
  readonly body?: readonly ("form" | "json")[];
  readonly fields?: readonly string[];
  readonly success?: () => Reply;
  /** The reply to an unknown token. Default: as to a known one (RFC 7009 section 2.2). */
  readonly unknownToken?: () => Reply;
}

const badClient = (): Reply =>
  json(401, { error: "invalid_client", error_description: "Client authentication failed." });
const badRequest = (): Reply => json(400, { error: "invalid_request", error_description: "Missing token." });

/** Returns an RFC 7009 route: a form with `token`. */
export function revocation(spec: Revocation): OpenRoute {
  const { success = () => empty(200), fields = ["token"], body = ["form"] } = spec;
  const handle = ({ incoming, checkClient, revokeToken }: RouteContext): Reply => {
    const client = spec.client_auth === undefined ? undefined : checkClient(...spec.client_auth);
    if (client?.ok === false) return badClient();
    const { body_type } = incoming;
    if ((body_type !== "form" && body_type !== "json") || !body.includes(body_type)) return badRequest();
    const token = fields.map((field) => incoming.fields.get(field)).find((value) => value !== undefined);
    if (token === undefined) return badRequest();
    const revoked = revokeToken(token, spec.reach, client?.client_id);
    return revoked === null ? (spec.unknownToken ?? success)() : success();
  };
  return { hosts: spec.hosts, path: spec.path, method: "POST", kind: "revoke", auth: "none", handle };
}

/** Returns a refusal with a JSON body: 403 for a missing scope, 401 for everything else. */
export const denyWith =
  (body: (problem: TokenProblem, status: number) => Json) =>
  (problem: TokenProblem): Reply => {
    const status = problem === "scope" ? 403 : 401;
    return json(status, body(problem, status));
  };

/** A capability that the vendor lacks, with the page where it is missing. */
export const unsupported = (source: string) => ({ supported: false, source });

/** @param source the page that documents every capability that `changes` does not name. */
export function capabilitiesOf(
  source: string,
  changes: Partial<Record<Capability, string | Capabilities[Capability]>> = {},
): Capabilities {
  const of = (name: Capability): Capabilities[Capability] => {
    const change = changes[name] ?? source;
    return typeof change === "string" ? { supported: true, source: change } : change;
  };
  return {
    connect: of("connect"),
    refresh: of("refresh"),
    rotate: of("rotate"),
    identity: of("identity"),
    health: of("health"),
    revoke: of("revoke"),
  };
}
