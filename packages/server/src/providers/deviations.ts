/**
 * The known departures of token endpoints from the RFCs. Each is a named pure function that any
 * provider can use.
 *
 * They run on code exchange, refresh and revocation: `request` before the request is sent, `parse`
 * and `response` before the response is classified. None depends on a provider's id and none
 * throws. A response of an unexpected shape passes through unchanged, and the RFC's rules then
 * reject it.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/types.ts";
import { formatScopes, parseScopes, unique } from "../core/scopes.ts";
import type { Deviation, DeviationRef, TokenResponse, TokenRequest } from "./deviation.ts";
import { readString } from "./json-path.ts";

const isOk = (received: TokenResponse): boolean => received.status >= 200 && received.status < 300;

/**
 * The vendor reports errors as HTTP 200 with `error` in the body. Sets the status to 400, or to the
 * one configured for that error. That is 429 for a rate limit, and 500 if the vendor documents that
 * part of the operation may have happened.
 */
export function errorInOkResponse(statuses: Readonly<Record<string, number>> = {}): Deviation {
  return {
    name: "error_in_ok_response",
    rfc: "RFC 6749 §5.2",
    response: (received) => {
      if (!isOk(received) || !isJsonObject(received.body)) return received;
      const { error } = received.body;
      if (typeof error !== "string" || error === "") return received;
      return { ...received, status: Object.hasOwn(statuses, error) ? (statuses[error] ?? 400) : 400 };
    },
  };
}

/**
 * The vendor puts the error name at `path`. Copies it to `error`, where RFC 6749 expects it, unless
 * `error` already holds a string.
 */
export function errorNameAt(path: string): Deviation {
  return {
    name: "error_name",
    rfc: "RFC 6749 §5.2",
    response: (received) => {
      if (isOk(received) || !isJsonObject(received.body) || typeof received.body["error"] === "string") return received;
      const error = readString(received.body, path);
      return error === null ? received : { ...received, body: { ...received.body, error } };
    },
  };
}

const TOKEN_FIELDS = ["access_token", "refresh_token", "expires_in", "scope", "token_type"] as const;

/**
 * The vendor nests the tokens in an object inside the response. On code exchange the nested tokens
 * win, because those at the top level belong to a bot. On refresh the top level wins, because that
 * is where the vendor then returns the user's tokens. All token fields move together: the user's
 * access token paired with the bot's refresh token would be lost at the first refresh.
 */
export function nestedToken(key: string): Deviation {
  return {
    name: "nested_token",
    rfc: "RFC 6749 §5.1",
    response: (received, { grant }) => {
      if (!isJsonObject(received.body)) return received;
      const nested = received.body[key];
      if (!isJsonObject(nested) || typeof nested["access_token"] !== "string") return received;
      if (grant === "refresh_token" && typeof received.body["access_token"] === "string") return received;
      const body = { ...without(received.body, TOKEN_FIELDS), ...only(nested, TOKEN_FIELDS) };
      return { ...received, body: { ...body, [key]: without(nested, TOKEN_FIELDS) } };
    },
  };
}

/**
 * The vendor uses its own member names. Copies each to the name that RFC 6749 or common usage gives
 * it, and overwrites nothing.
 */
export function renamedMembers(members: Readonly<Record<string, string>>): Deviation {
  return {
    name: "renamed_members",
    rfc: "RFC 6749 §5.1",
    response: (received) => {
      const { body } = received;
      if (!isJsonObject(body)) return received;
      const renamed = Object.entries(members).flatMap(([from, to]) => {
        const value = Object.hasOwn(body, from) && !Object.hasOwn(body, to) ? body[from] : undefined;
        return value === undefined ? [] : [[to, value] as const];
      });
      return renamed.length === 0 ? received : { ...received, body: { ...body, ...Object.fromEntries(renamed) } };
    },
  };
}

interface GrantedScopes {
  /** Scope name in the vendor's response -> name used in the request. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Prefix that the vendor adds to scope names. */
  readonly prefix?: string;
  /** Scopes that the vendor grants when requested but never lists in the response. */
  readonly silent?: readonly string[];
}

/**
 * The vendor returns granted scopes under other names than the requested ones. Restores the
 * requested names. Otherwise every user would appear to have declined some scopes.
 */
export function grantedScopes({ aliases = {}, prefix = "", silent = [] }: GrantedScopes): Deviation {
  return {
    name: "granted_scopes",
    rfc: "RFC 6749 §3.3",
    response: (received, { scopes: requested }) => {
      const { body } = received;
      if (!isJsonObject(body) || typeof body["scope"] !== "string" || body["scope"] === "") return received;
      const spelling = new Map(requested.map((scope) => [scope.toLowerCase(), scope]));
      const listed = parseScopes(body["scope"]).map((scope) => {
        const alias = Object.hasOwn(aliases, scope) ? aliases[scope] : undefined;
        const plain = alias ?? (scope.startsWith(prefix) ? scope.slice(prefix.length) : scope);
        return spelling.get(plain.toLowerCase()) ?? spelling.get(scope.toLowerCase()) ?? plain;
      });
      const unlisted = requested.filter((scope) => silent.includes(scope));
      return { ...received, body: { ...body, scope: unique([...listed, ...unlisted]).join(" ") } };
    },
  };
}

/**
 * The vendor omits `token_type` for Bearer tokens. Adds it. A type that is present is still
 * validated.
 */
export const assumeBearer: Deviation = {
  name: "assume_bearer",
  rfc: "RFC 6749 §5.1",
  response: (received) => {
    const { body } = received;
    if (!isJsonObject(body) || typeof body["access_token"] !== "string" || Object.hasOwn(body, "token_type"))
      return received;
    return { ...received, body: { ...body, token_type: "bearer" } };
  },
};

/**
 * The vendor uses other `token_type` names for Bearer tokens. Any name not listed is still
 * rejected.
 */
export function bearerAlias(...names: readonly string[]): Deviation {
  return {
    name: "bearer_alias",
    rfc: "RFC 6749 §7.1",
    response: (received) => {
      if (!isJsonObject(received.body)) return received;
      const { token_type } = received.body;
      if (typeof token_type !== "string" || !names.includes(token_type.toLowerCase())) return received;
      return { ...received, body: { ...received.body, token_type: "bearer" } };
    },
  };
}

/**
 * The response is form-encoded (`access_token=…&scope=…`). Some vendors fall back to this when the
 * Accept header is missing.
 */
export const formTokenResponse: Deviation = {
  name: "form_token_answer",
  rfc: "RFC 6749 §5.1",
  parse: (text, content_type) => {
    if (!/^application\/x-www-form-urlencoded\b/i.test(content_type)) return null;
    const pairs = [...new URLSearchParams(text)];
    // With a duplicate name it is unclear which value is meant.
    return new Set(pairs.map(([name]) => name)).size === pairs.length ? Object.fromEntries(pairs) : null;
  },
};

/** The token endpoint expects a JSON object instead of a form. Enabled by `token_body: "json"`. */
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

/** The token endpoint uses another name for the client id. Enabled by `client_id_param`. */
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

/** Refresh requests must repeat the scopes. Without them the new token has fewer scopes. */
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

/** Returns the deviation that a provider refers to by name. */
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
      return formTokenResponse;
    case "scope_on_refresh":
      return scopeOnRefresh(ref.separator);
  }
}
