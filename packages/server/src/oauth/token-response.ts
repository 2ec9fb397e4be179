/**
 * Reads a token response: bytes to JSON, through the provider's deviations, and JSON to tokens.
 *
 * Strict about tokens, because a mistake would store a broken credential (RFC 6749 Appendix A:
 * visible ASCII). Lenient about lifetimes and scopes, where vendors vary and nothing is at stake.
 * Only named fields are kept. The rest of the response, which can contain more tokens and secret
 * URLs, is dropped.
 */
import type { Limits } from "../core/limits.ts";
import { parseExpiresIn } from "../core/expiry.ts";
import { parseScopes } from "../core/scopes.ts";
import { Secret } from "../core/secret.ts";
import type { ConnectionConfig, Instant, JsonObject, JsonValue } from "../core/types.ts";
import { decodeUtf8, parseJson } from "../net/json.ts";
import type { OutboundResponse } from "../net/outbound.ts";
import { pickPaths, readString } from "../providers/json-path.ts";
import type { DeviationContext, TokenResponse } from "../providers/deviation.ts";
import type { DerivedValue, Provider } from "../providers/provider.ts";
import { accepts } from "../providers/template.ts";
import { idTokenClaims } from "./id-token.ts";
import type { IssuedTokens } from "./outcome.ts";

/** Returns the response in the form of RFC 6749 §5. The body is null if it cannot be parsed. */
export function readTokenResponse(
  provider: Provider,
  context: DeviationContext,
  response: OutboundResponse,
): TokenResponse {
  return applyResponse(provider, context, { status: response.status, body: readBody(provider, response) });
}

/** Returns the response after the provider's deviations. */
export function applyResponse(provider: Provider, context: DeviationContext, response: TokenResponse): TokenResponse {
  return provider.deviations.reduce(
    (current, deviation) => deviation.response?.(current, context) ?? current,
    response,
  );
}

function readBody(provider: Provider, { body, headers, complete }: OutboundResponse): JsonValue {
  const text = complete ? decodeUtf8(body) : null;
  if (text === null) return null;
  const json = parseJson(text);
  if (json !== undefined) return json;
  const content_type = headers["content-type"] ?? "";
  for (const deviation of provider.deviations) {
    const parsed = deviation.parse?.(text, content_type) ?? null;
    if (parsed !== null) return parsed;
  }
  return null;
}

/** RFC 6749 Appendix A.12 and A.17: 1*VSCHAR. Rejects line breaks, which could forge a header. */
const TOKEN_TEXT = /^[\x20-\x7e]+$/;

/**
 * Returns the fields that the protocol library checks, in the form it requires. Not `id_token`:
 * some vendors have one issuer per tenant, which the library cannot allow, so id-token.ts checks
 * it.
 */
export function coreMembers(body: JsonObject): JsonObject {
  const { access_token = null, token_type = null, refresh_token = null } = body;
  // Vendors send null or an empty string for "no refresh token".
  const refresh = refresh_token === null || refresh_token === "" ? {} : { refresh_token };
  return { access_token, token_type, ...refresh };
}

/** The context in which `readTokens` reads a response. */
export interface ReadContext {
  readonly provider: Provider;
  readonly client_id: string;
  readonly now: Instant;
  readonly limits: Pick<Limits, "token_bytes">;
}

/**
 * Returns the tokens of a response that the protocol library accepted. Null if a token is
 * malformed.
 */
export function readTokens(
  { provider, client_id, now, limits }: ReadContext,
  accepted: { readonly access_token: string; readonly refresh_token?: string | undefined },
  body: JsonObject,
): IssuedTokens | null {
  const usable = (token: string): boolean => TOKEN_TEXT.test(token) && token.length <= limits.token_bytes;
  const { access_token, refresh_token } = accepted;
  if (!usable(access_token) || (refresh_token !== undefined && !usable(refresh_token))) return null;
  const { scope, expires_in, refresh_token_expires_in } = body;
  const claims = idTokenClaims(provider, body["id_token"], client_id, now) ?? {};
  return {
    access_token: new Secret(access_token),
    refresh_token: refresh_token === undefined ? null : new Secret(refresh_token),
    announced_s: parseExpiresIn(expires_in),
    refresh_announced_s: parseExpiresIn(refresh_token_expires_in),
    // Apps without scopes get an empty string (GitHub Apps have permissions instead). It removes
    // none.
    scopes: (typeof scope === "string" && scope.trim() !== "") || Array.isArray(scope) ? parseScopes(scope) : null,
    config: { ...derive(provider, "token", body), ...derive(provider, "id_token", claims) },
    extra: provider.identity.from === "id_token" ? accountFields(provider, claims) : accountFields(provider, body),
  };
}

/**
 * Returns the derived config values. Drops those that do not match their pattern: they can become a
 * host.
 */
export function derive(provider: Provider, from: DerivedValue["from"], body: JsonValue): ConnectionConfig {
  return Object.fromEntries(
    provider.derived_config.flatMap((value) => {
      const text = value.from === from ? readString(body, value.path) : null;
      return text !== null && accepts(value, text) ? [[value.name, text] as const] : [];
    }),
  );
}

/**
 * Returns only the fields that the account is read from. The rest of the response can contain
 * tokens.
 */
function accountFields({ identity }: Provider, body: JsonObject): JsonObject {
  if (identity.from === "request") return {};
  const { id, label, email } = identity.account;
  return pickPaths(
    body,
    [id, label, email].filter((path) => path !== null),
  );
}
