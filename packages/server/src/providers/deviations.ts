/**
 * The ways in which token endpoints depart from the RFCs, each a named pure function that any provider may use.
 *
 * They run around the protocol library, on code exchange, refresh and revocation alike: `request` before sending,
 * `parse` and `response` before the answer is judged. None knows a provider's name, and none throws: an answer that is
 * not of the shape it knows passes unchanged, to be refused later by the RFC's own rules.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/types.ts";
import { formatScopes, parseScopes, unique } from "../core/scopes.ts";
import type { Deviation, DeviationRef, TokenAnswer, TokenRequest } from "./deviation.ts";
import { readText } from "./json-path.ts";

const isOk = (answer: TokenAnswer): boolean => answer.status >= 200 && answer.status < 300;

/**
 * Errors arrive as HTTP 200 with `error` in the body. They get status 400, or the one given for their name: 429 for a
 * rate limit, 500 where the vendor says that part of the operation may have happened.
 */
export function errorInOkResponse(statuses: Readonly<Record<string, number>> = {}): Deviation {
  return {
    name: "error_in_ok_response",
    rfc: "RFC 6749 §5.2",
    response: (answer) => {
      if (!isOk(answer) || !isJsonObject(answer.body)) return answer;
      const { error } = answer.body;
      if (typeof error !== "string" || error === "") return answer;
      return { ...answer, status: Object.hasOwn(statuses, error) ? (statuses[error] ?? 400) : 400 };
    },
  };
}

/**
 * The error's name is not a text under `error` but stands at `path`. It is copied there, where RFC 6749 has it. A text
 * that is there already wins.
 */
export function errorNameAt(path: string): Deviation {
  return {
    name: "error_name",
    rfc: "RFC 6749 §5.2",
    response: (answer) => {
      if (isOk(answer) || !isJsonObject(answer.body) || typeof answer.body["error"] === "string") return answer;
      const error = readText(answer.body, path);
      return error === null ? answer : { ...answer, body: { ...answer.body, error } };
    },
  };
}

const TOKEN_FIELDS = ["access_token", "refresh_token", "expires_in", "scope", "token_type"] as const;

/**
 * The tokens sit in an object inside the answer. On code exchange the nested ones win, because those at the top belong
 * to somebody else (a bot). On refresh the top level wins: the same vendor answers there. The fields move as one set; a
 * refresh token of the other pair next to this access token would be lost at the first refresh.
 */
export function nestedToken(key: string): Deviation {
  return {
    name: "nested_token",
    rfc: "RFC 6749 §5.1",
    response: (answer, { grant }) => {
      if (!isJsonObject(answer.body)) return answer;
      const nested = answer.body[key];
      if (!isJsonObject(nested) || typeof nested["access_token"] !== "string") return answer;
      if (grant === "refresh_token" && typeof answer.body["access_token"] === "string") return answer;
      const body = { ...without(answer.body, TOKEN_FIELDS), ...only(nested, TOKEN_FIELDS) };
      return { ...answer, body: { ...body, [key]: without(nested, TOKEN_FIELDS) } };
    },
  };
}

/** Members with names of the vendor's own, under those that RFC 6749 and common use give them. None is overwritten. */
export function renamedMembers(members: Readonly<Record<string, string>>): Deviation {
  return {
    name: "renamed_members",
    rfc: "RFC 6749 §5.1",
    response: (answer) => {
      const { body } = answer;
      if (!isJsonObject(body)) return answer;
      const renamed = Object.entries(members).flatMap(([from, to]) => {
        const value = Object.hasOwn(body, from) && !Object.hasOwn(body, to) ? body[from] : undefined;
        return value === undefined ? [] : [[to, value] as const];
      });
      return renamed.length === 0 ? answer : { ...answer, body: { ...body, ...Object.fromEntries(renamed) } };
    },
  };
}

interface GrantedScopes {
  /** The vendor's name: the name that it is asked for by. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** What the vendor puts before names. */
  readonly prefix?: string;
  /** Granted where they were asked for, but never named. */
  readonly silent?: readonly string[];
}

/**
 * Granted scopes come back under other names than they were asked for. They get those names again, or everybody would
 * seem to have declined something.
 */
export function grantedScopes({ aliases = {}, prefix = "", silent = [] }: GrantedScopes): Deviation {
  return {
    name: "granted_scopes",
    rfc: "RFC 6749 §3.3",
    response: (answer, { scopes: asked }) => {
      const { body } = answer;
      if (!isJsonObject(body) || typeof body["scope"] !== "string" || body["scope"] === "") return answer;
      const spelling = new Map(asked.map((scope) => [scope.toLowerCase(), scope]));
      const named = parseScopes(body["scope"]).map((scope) => {
        const alias = Object.hasOwn(aliases, scope) ? aliases[scope] : undefined;
        const plain = alias ?? (scope.startsWith(prefix) ? scope.slice(prefix.length) : scope);
        return spelling.get(plain.toLowerCase()) ?? spelling.get(scope.toLowerCase()) ?? plain;
      });
      const unnamed = asked.filter((scope) => silent.includes(scope));
      return { ...answer, body: { ...body, scope: unique([...named, ...unnamed]).join(" ") } };
    },
  };
}

/** No `token_type` at all, for tokens that are used as Bearer tokens. A type that is named is still judged. */
export const assumeBearer: Deviation = {
  name: "assume_bearer",
  rfc: "RFC 6749 §5.1",
  response: (answer) => {
    const { body } = answer;
    if (!isJsonObject(body) || typeof body["access_token"] !== "string" || Object.hasOwn(body, "token_type"))
      return answer;
    return { ...answer, body: { ...body, token_type: "bearer" } };
  },
};

/** `token_type` names whose tokens are used exactly as Bearer tokens. Any other name is still refused. */
export function bearerAlias(...names: readonly string[]): Deviation {
  return {
    name: "bearer_alias",
    rfc: "RFC 6749 §7.1",
    response: (answer) => {
      if (!isJsonObject(answer.body)) return answer;
      const { token_type } = answer.body;
      if (typeof token_type !== "string" || !names.includes(token_type.toLowerCase())) return answer;
      return { ...answer, body: { ...answer.body, token_type: "bearer" } };
    },
  };
}

/** The answer is a form (`access_token=…&scope=…`), at least when the Accept header got lost on the way. */
export const formTokenAnswer: Deviation = {
  name: "form_token_answer",
  rfc: "RFC 6749 §5.1",
  parse: (text, content_type) => {
    if (!/^application\/x-www-form-urlencoded\b/i.test(content_type)) return null;
    const pairs = [...new URLSearchParams(text)];
    // A name that comes twice leaves open which value counts.
    return new Set(pairs.map(([name]) => name)).size === pairs.length ? Object.fromEntries(pairs) : null;
  },
};

/** The token request is a JSON object instead of a form. Applied by `token_body: "json"`. */
export const jsonTokenRequest: Deviation = {
  name: "json_token_request",
  rfc: "RFC 6749 §4.1.3",
  request: (request) =>
    typeof request.body === "string"
      ? request
      : {
          ...request,
          headers: { ...request.headers, "content-type": "application/json" },
          body: JSON.stringify(Object.fromEntries(request.body)),
        },
};

/** The client id goes by another name in the token request. Applied by `client_id_param`. */
export function clientIdParameter(name: string): Deviation {
  return {
    name: "client_id_parameter",
    rfc: "RFC 6749 §4.1.3",
    request: (request) => {
      const client_id = typeof request.body === "string" ? null : request.body.get("client_id");
      if (client_id === null) return request;
      const renamed = withParameter(request, name, client_id);
      if (renamed.body instanceof URLSearchParams) renamed.body.delete("client_id");
      return renamed;
    },
  };
}

/** Refresh requests must repeat the scopes; without them the new token has fewer. */
export function scopeOnRefresh(separator: " " | ","): Deviation {
  return {
    name: "scope_on_refresh",
    rfc: "RFC 6749 §6",
    request: (request, { grant, scopes }) => {
      if (grant !== "refresh_token" || scopes.length === 0 || typeof request.body === "string") return request;
      return withParameter(request, "scope", formatScopes(scopes, separator));
    },
  };
}

function withParameter(request: TokenRequest, name: string, value: string): TokenRequest {
  const body = new URLSearchParams(request.body);
  body.set(name, value);
  return { ...request, body };
}

function only(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)));
}

function without(object: JsonObject, keys: readonly string[]): { [key: string]: JsonValue } {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

/** The function that a provider names. */
export function deviationOf(ref: DeviationRef): Deviation {
  switch (ref.name) {
    case "error_in_ok_response":
      return errorInOkResponse(ref.statuses);
    case "error_name":
      return errorNameAt(ref.path);
    case "nested_token":
      return nestedToken(ref.key);
    case "renamed_members":
      return renamedMembers(ref.members);
    case "granted_scopes":
      return grantedScopes(ref);
    case "bearer_alias":
      return bearerAlias(...ref.names);
    case "assume_bearer":
      return assumeBearer;
    case "form_token_answer":
      return formTokenAnswer;
    case "scope_on_refresh":
      return scopeOnRefresh(ref.separator);
  }
}
