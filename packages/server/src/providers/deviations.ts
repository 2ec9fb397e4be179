/**
 * The ways in which token endpoints depart from the RFCs, each a named pure function that any provider may use.
 *
 * They run around the protocol library, on code exchange, refresh and revocation alike: `request` before sending,
 * `parse` and `response` before the answer is judged. None knows a provider's name, and none throws: an answer that is
 * not of the shape it knows passes unchanged, to be refused later by the RFC's own rules.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/types.ts";
import { formatScopes } from "../core/scopes.ts";
import type { Deviation, TokenAnswer, TokenRequest } from "./provider.ts";

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
