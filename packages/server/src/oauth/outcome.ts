/**
 * The five outcomes of a request to a token endpoint, by whether the grant was consumed and who
 * must act.
 *
 * The only place that classifies error responses (RFC 6749 §5.2 and the provider's own names), by
 * status and error name, never by message. `error` is from a closed vocabulary. A provider's text
 * is compared with known names and then dropped, because some providers echo the token they
 * received. Durations in milliseconds.
 */
import type { Secret } from "../core/secret.ts";
import type { ConnectionConfig, JsonObject, JsonValue } from "../core/types.ts";
import { isJsonObject } from "../core/types.ts";
import type { RequestFailure } from "../net/outbound.ts";
import type { Provider } from "../providers/provider.ts";

export interface IssuedTokens {
  readonly access_token: Secret;
  /** Null if the response has none. The previous refresh token stays in use. */
  readonly refresh_token: Secret | null;
  /** Lifetimes in seconds, as stated in the response. Null if not stated. */
  readonly announced_s: number | null;
  readonly refresh_announced_s: number | null;
  /** Null if the response has none: as requested (RFC 6749 §5.1), or as before on refresh (§6). */
  readonly scopes: readonly string[] | null;
  /** Values that the catalog derives from the token response. */
  readonly config: ConnectionConfig;
  /** Only the fields that the account is read from. */
  readonly extra: JsonObject;
}

export type TokenFailure =
  /** The grant is not consumed. Send the same request again later. */
  | {
      readonly kind: "retry_later";
      readonly sent: boolean;
      readonly retry_after_ms: number | null;
      readonly error: string;
    }
  /** The grant is no longer valid. The user must consent again. */
  | { readonly kind: "refused"; readonly error: string }
  /** The OAuth client or the connection's settings are wrong. The grant is not consumed. */
  | { readonly kind: "misconfigured"; readonly error: string }
  /** The request was sent, but no response shows whether the grant was consumed. */
  | { readonly kind: "unknown"; readonly error: string };

export type TokenOutcome = { readonly kind: "ok"; readonly tokens: IssuedTokens } | TokenFailure;

export const BAD_RESPONSE = "provider_bad_response";
/** A token type other than bearer, which needs a key to be used (RFC 6749 §7.1). */
export const UNSUPPORTED_TYPE = "unsupported_token_type";
const UNRECOGNIZED = "unrecognised_error";

/** RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 6749 §4.1.2.1, RFC 8628 §3.5. */
const RFC_NAMES = {
  refused: ["invalid_grant"],
  misconfigured: ["invalid_client", "unauthorized_client"],
  transient: [
    "invalid_request",
    "invalid_scope",
    "unsupported_grant_type",
    "unsupported_token_type",
    "invalid_token",
    "server_error",
    "temporarily_unavailable",
    "slow_down",
  ],
} as const;

type NameClass = keyof typeof RFC_NAMES;

/** Returns the outcome of a request without a response. */
export function outcomeOfFailure(failure: RequestFailure): TokenFailure {
  return failure.kind === "not_sent"
    ? { kind: "retry_later", sent: false, retry_after_ms: null, error: failure.reason }
    : { kind: "unknown", error: failure.reason };
}

/**
 * Returns the outcome of an error response, or null for a 2xx. The provider's deviations were
 * already applied to `response`.
 */
export function outcomeOfResponse(
  provider: Provider,
  response: { readonly status: number; readonly body: JsonValue },
  retry_after_ms: number | null,
): TokenFailure | null {
  const { status } = response;
  if (status >= 200 && status < 300) return null;
  const found = errorName(provider, response.body);
  const error = found?.name ?? `http_${status}`;
  const later: TokenFailure = { kind: "retry_later", sent: true, retry_after_ms, error };
  if (status === 429) return later;
  // 307 and 308 ask for the same request at another URL, so it was not processed here. It is not
  // sent there either, because it contains the client's secret. A request with any other redirect
  // may have been processed.
  if (status === 307 || status === 308) return { ...later, error: "redirected" };
  if (status < 400 || status > 499) return { kind: "unknown", error };
  if (found?.class === "refused") return { kind: "refused", error };
  if (found?.class === "misconfigured") return { kind: "misconfigured", error };
  return later;
}

/**
 * Returns the error name in a response: `error` of a JSON object, or a body that is itself a known
 * name. Null if there is none.
 */
export function errorName(
  provider: Provider,
  body: JsonValue,
): { readonly name: string; readonly class: NameClass | null } | null {
  const in_object = isJsonObject(body);
  const raw = in_object ? body["error"] : body;
  if (typeof raw !== "string" || raw === "") return null;
  const name = cleanName(raw);
  // The vendor's lists come first: it can use a name of the RFC with another meaning.
  for (const names of [provider.errors, RFC_NAMES]) {
    for (const nameClass of ["refused", "misconfigured", "transient"] as const) {
      if (names[nameClass].some((known) => cleanName(known) === name)) return { name, class: nameClass };
    }
  }
  return in_object ? { name: UNRECOGNIZED, class: null } : null;
}

function cleanName(text: string): string {
  return text
    .trim()
    .slice(0, 100)
    .toLowerCase()
    .replaceAll(/[^a-z0-9_.-]/g, "_");
}
