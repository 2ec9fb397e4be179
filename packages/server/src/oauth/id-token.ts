/**
 * The id_token of a token answer (OpenID Connect Core §3.1.3.7): whose consent this was, where the catalog reads it there.
 *
 * It came from the token endpoint itself over TLS, so its signature need not be checked (item 6). Issuer, audience and
 * expiry are: an answer may be for another client or, at vendors with one issuer per tenant, from nobody we know.
 */
import { isJsonObject, type Instant, type JsonObject, type JsonValue } from "../core/types.ts";
import type { Provider } from "../providers/provider.ts";
import { matchesPattern } from "../providers/template.ts";
import { decodeUtf8, parseJson } from "../net/json.ts";

/** Clocks differ; a minute is what others allow as well. */
const CLOCK_SKEW_S = 60;
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$/;

/** The claims, or null when there are none that may be believed. */
export function idTokenClaims(
  { identity }: Provider,
  id_token: JsonValue | undefined,
  client_id: string,
  now: Instant,
): JsonObject | null {
  if (identity.from !== "id_token" || typeof id_token !== "string") return null;
  const claims = payloadOf(id_token);
  if (claims === null) return null;
  const { iss, aud, azp, exp } = claims;
  const audience = Array.isArray(aud) ? aud : [aud];
  const intended = audience.includes(client_id) && (audience.length === 1 || azp === client_id);
  const alive = typeof exp === "number" && exp + CLOCK_SKEW_S > now / 1000;
  return typeof iss === "string" && matchesPattern(identity.issuer, iss) && intended && alive ? claims : null;
}

function payloadOf(id_token: string): JsonObject | null {
  const [, payload] = COMPACT_JWS.exec(id_token) ?? [];
  const text = payload === undefined ? null : decodeUtf8(Buffer.from(payload, "base64url"));
  const value = text === null ? undefined : parseJson(text);
  return isJsonObject(value) ? value : null;
}
