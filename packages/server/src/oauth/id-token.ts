/**
 * The ID token of a token response (OpenID Connect Core §3.1.3.7), for providers whose catalog
 * entry reads the account from it.
 *
 * It comes from the token endpoint over TLS, so its signature need not be checked (item 6). Issuer,
 * audience and expiry must be checked. The token could be for another client or, at a vendor with
 * one issuer per tenant, from an unknown issuer.
 */
import { isJsonObject, type Instant, type JsonObject, type JsonValue } from "../core/types.ts";
import { decodeUtf8, parseJson } from "../net/json.ts";
import type { Provider } from "../providers/provider.ts";
import { matchesPattern } from "../providers/template.ts";

/** Allowance for clock skew. A minute is common. */
const CLOCK_SKEW_S = 60;
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$/;

/** Returns the claims, or null if the token is missing or not valid. */
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
  const is_live = typeof exp === "number" && exp + CLOCK_SKEW_S > now / 1000;
  return typeof iss === "string" && matchesPattern(identity.issuer, iss) && intended && is_live ? claims : null;
}

function payloadOf(id_token: string): JsonObject | null {
  const [, payload] = COMPACT_JWS.exec(id_token) ?? [];
  const text = payload === undefined ? null : decodeUtf8(Buffer.from(payload, "base64url"));
  const value = text === null ? undefined : parseJson(text);
  return isJsonObject(value) ? value : null;
}
