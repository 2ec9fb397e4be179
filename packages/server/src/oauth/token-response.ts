/**
 * Reading the answer of a token endpoint: from bytes to JSON through the provider's deviations, and from JSON to tokens.
 *
 * Strict where a mistake would store a broken credential (RFC 6749 Appendix A: tokens are visible ASCII), lenient where
 * vendors vary and nothing is at stake (lifetimes, scopes). Only named fields are read on; the rest of the answer, which
 * may hold further tokens and secret addresses, goes no further.
 */
import type { Limits } from "../config.ts";
import { parseExpiresIn } from "../core/expiry.ts";
import { parseScopes } from "../core/scopes.ts";
import { Secret } from "../core/secret.ts";
import type { ConnectionConfig, Instant, JsonObject, JsonValue } from "../core/types.ts";
import { pickPaths, readText } from "../providers/json-path.ts";
import type { DeviationContext, TokenAnswer } from "../providers/deviation.ts";
import type { DerivedValue, Provider } from "../providers/provider.ts";
import { accepts } from "../providers/template.ts";
import { idTokenClaims } from "./id-token.ts";
import { decodeUtf8, parseJson } from "../net/json.ts";
import type { IssuedTokens } from "./outcome.ts";
import type { OutboundResponse } from "../net/http-client.ts";

/** What RFC 6749 §5 would have looked like. The body is null when nothing could be made of it. */
export function readTokenAnswer(provider: Provider, context: DeviationContext, answer: OutboundResponse): TokenAnswer {
  return applyResponse(provider, context, { status: answer.status, body: readBody(provider, answer) });
}

export function applyResponse(provider: Provider, context: DeviationContext, answer: TokenAnswer): TokenAnswer {
  return provider.deviations.reduce((current, deviation) => deviation.response?.(current, context) ?? current, answer);
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

/** RFC 6749 Appendix A.12 and A.17: 1*VSCHAR. Rules out line breaks, which would forge a header. */
const TOKEN_TEXT = /^[\x20-\x7e]+$/;

/**
 * What goes to the protocol library: the members it checks, in the form it takes. Not `id_token`, whose issuer differs per
 * tenant at some vendors, which the library has no way to allow; id-token.ts checks it.
 */
export function coreMembers(body: JsonObject): JsonObject {
  const { access_token = null, token_type = null, refresh_token = null } = body;
  // Vendors write "none" as null or an empty text.
  const refresh = refresh_token === null || refresh_token === "" ? {} : { refresh_token };
  return { access_token, token_type, ...refresh };
}

/** What an answer is read with. */
export interface Reading {
  readonly provider: Provider;
  readonly client_id: string;
  readonly now: Instant;
  readonly limits: Pick<Limits, "token_bytes">;
}

/** The tokens of an answer that the protocol library has accepted; null when one of them is unusable. */
export function readTokens(
  { provider, client_id, now, limits }: Reading,
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
    // An empty text is how apps without scopes answer (GitHub Apps have permissions instead): it names none, it takes none away.
    scopes: (typeof scope === "string" && scope.trim() !== "") || Array.isArray(scope) ? parseScopes(scope) : null,
    config: { ...derive(provider, "token", body), ...derive(provider, "id_token", claims) },
    extra: provider.identity.from === "id_token" ? accountFields(provider, claims) : accountFields(provider, body),
  };
}

/** Values that match their pattern; the others are dropped (they may become a host). */
export function derive(provider: Provider, from: DerivedValue["from"], body: JsonValue): ConnectionConfig {
  return Object.fromEntries(
    provider.derived_config.flatMap((value) => {
      const text = value.from === from ? readText(body, value.path) : null;
      return text !== null && accepts(value, text) ? [[value.name, text] as const] : [];
    }),
  );
}

/** What identity is read from, and nothing else: the rest of the answer may hold tokens. */
function accountFields({ identity }: Provider, body: JsonObject): JsonObject {
  if (identity.from === "request") return {};
  const { id, label, email } = identity.account;
  return pickPaths(
    body,
    [id, label, email].filter((path) => path !== null),
  );
}
