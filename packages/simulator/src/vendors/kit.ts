/**
 * What most vendors share, so that a profile states only how its vendor differs: RFC 6749 with form bodies, RFC 7009
 * revocation, Bearer routes that answer JSON. Knows no vendor.
 */
import { empty, json } from "../engine/answer.ts";
import { errorTable, rfcErrorBody } from "../engine/errors.ts";
import type {
  Account,
  Answer,
  AuthorizeSpec,
  Caller,
  Capabilities,
  Capability,
  IssueContext,
  Json,
  JsonObject,
  OpenRoute,
  RouteContext,
  TokenPolicy,
  TokenProblem,
  TokenRoute,
  TokenSpec,
  Vendor,
} from "../engine/types.ts";
import { randomLetters } from "../engine/values.ts";

type Needed<T, K extends keyof T> = Partial<T> & Pick<T, K>;

interface PlainVendor extends Omit<Vendor, "authorize" | "token" | "serves"> {
  /** Default: the vendor's own id. */
  readonly serves?: readonly string[];
  readonly authorize: Needed<AuthorizeSpec, "hosts" | "path">;
  /** `life` in place of `policy`; mode `rotate` makes every refresh token single use. */
  readonly token: Needed<Omit<TokenSpec, "policy">, "hosts" | "path"> & { readonly life: TokenPolicy };
}

/** Tokens without end and without refresh: the ground on which a profile puts its vendor's lifetimes. */
export const FOREVER: TokenPolicy = {
  access_life_s: null,
  announces_expiry: false,
  rotates: false,
  old_access_dies: false,
  refresh_life_s: null,
};

/** Expiring access tokens whose refresh token stays as it is. */
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

export function plainVendor({ authorize, token, serves, ...rest }: PlainVendor): Vendor {
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
      mintCode: () => randomLetters(40),
      mintAccess: () => randomLetters(64),
      mintRefresh: () => randomLetters(64),
      answer: (context) => tokenBody(context, " "),
      ...spec,
    },
  };
}

/** RFC 6749 section 5.1. @param separator null: the vendor's answers name no scope. */
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

/** Consent gives a refresh token only with this scope. */
export const withScope =
  (...scopes: readonly string[]): AuthorizeSpec["offline"] =>
  (context) =>
    scopes.some((scope) => context.scopes.includes(scope));

type Give = (caller: Caller, context: RouteContext) => Json;
type Base = Pick<TokenRoute, "hosts" | "denied"> & Partial<Pick<TokenRoute, "precheck" | "presented" | "serves">>;

/** Routes of one API. `give` makes the JSON of an answer with HTTP 200. */
export function apiOf(base: Base) {
  return (
    method: TokenRoute["method"],
    kind: TokenRoute["kind"],
    path: string,
    give: Give,
    scopes?: readonly string[],
  ): TokenRoute => {
    const handle: TokenRoute["handle"] = (context, caller) => json(200, give(caller, context));
    const route = { ...base, auth: "token", method, kind, path, handle } as const;
    return scopes === undefined ? route : { ...route, scopes };
  };
}

interface Revocation extends Pick<OpenRoute, "hosts" | "path"> {
  /** Client credentials that must come along; absent: none are asked. */
  readonly client_auth?: readonly ("basic" | "post")[];
  readonly reach: "token" | "grant" | "account";
  readonly body?: readonly ("form" | "json")[];
  readonly fields?: readonly string[];
  readonly done?: () => Answer;
  /** What an unknown token gets; default as a known one (RFC 7009 section 2.2). */
  readonly unknown?: () => Answer;
}

const badClient = (): Answer =>
  json(401, { error: "invalid_client", error_description: "Client authentication failed." });
const badRequest = (): Answer => json(400, { error: "invalid_request", error_description: "Missing token." });

/** RFC 7009: a form with `token`. */
export function revocation(spec: Revocation): OpenRoute {
  const { done = () => empty(200), fields = ["token"], body = ["form"] } = spec;
  const handle = ({ incoming, checkClient, revokeToken }: RouteContext): Answer => {
    const client = spec.client_auth === undefined ? undefined : checkClient(...spec.client_auth);
    if (client?.ok === false) return badClient();
    const { body_type } = incoming;
    if ((body_type !== "form" && body_type !== "json") || !body.includes(body_type)) return badRequest();
    const token = fields.map((field) => incoming.fields.get(field)).find((value) => value !== undefined);
    if (token === undefined) return badRequest();
    const revoked = revokeToken(token, spec.reach, client?.client_id);
    return revoked === null ? (spec.unknown ?? done)() : done();
  };
  return { hosts: spec.hosts, path: spec.path, method: "POST", kind: "revoke", auth: "none", handle };
}

/** A refusal by status and JSON body: 401 for anything but a missing scope. */
export const deniedBy =
  (body: (problem: TokenProblem, status: number) => Json) =>
  (problem: TokenProblem): Answer => {
    const status = problem === "scope" ? 403 : 401;
    return json(status, body(problem, status));
  };

/** A capability with the page that tells of it; `no(url)` for one that the vendor lacks. */
export const no = (source: string) => ({ supported: false, source });

/** @param source the page for all that is not named otherwise. */
export function capable(
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

export interface Person {
  readonly first: string;
  readonly last: string;
  readonly full: string;
  readonly email: string;
}

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;

/** Names in full for a person known by one name only. */
export function person({ name, email }: Account): Person {
  const [first, last] = [capital(name), "Example"];
  return { first, last, full: `${first} ${last}`, email };
}

/** The organisation's name for people. */
export const orgName = ({ org }: Account): string => capital(org);
