/**
 * What became of a request to a token endpoint: five outcomes, by whether the grant was consumed and who must act.
 *
 * The only place where an answer that is no success is judged (RFC 6749 §5.2 and the provider's own names), by status
 * and error name, never by matching messages. `error` comes from a closed vocabulary: a provider's text is compared with
 * known names and otherwise dropped, since some providers echo the token they were sent. Durations in milliseconds.
 */
import type { Secret } from "../core/secret.ts";
import type { ConnectionConfig, JsonObject, JsonValue } from "../core/types.ts";
import { isJsonObject } from "../core/types.ts";
import type { Provider } from "../providers/provider.ts";
import type { Failure } from "../net/http-client.ts";

export interface IssuedTokens {
  readonly access_token: Secret;
  /** null = the answer has none; an older one stays in use. */
  readonly refresh_token: Secret | null;
  /** Lifetimes in seconds as the answer states them; null = it does not. */
  readonly announced_s: number | null;
  readonly refresh_announced_s: number | null;
  /** null = the answer names none (RFC 6749 §5.1: as requested; on refresh: as before). */
  readonly scopes: readonly string[] | null;
  /** Values that the catalog derives from the token answer. */
  readonly config: ConnectionConfig;
  /** The fields that identity is read from, and nothing else. */
  readonly extra: JsonObject;
}

export type TokenFailure =
  /** The grant is not consumed: try the same again later. */
  | {
      readonly kind: "retry_later";
      readonly sent: boolean;
      readonly retry_after_ms: number | null;
      readonly error: string;
    }
  /** The grant is dead: a person must consent again. */
  | { readonly kind: "refused"; readonly error: string }
  /** The OAuth client or the connection's settings are wrong; the grant is not consumed. */
  | { readonly kind: "misconfigured"; readonly error: string }
  /** Perhaps consumed: sent, but no answer that says so or says otherwise. */
  | { readonly kind: "unknown"; readonly error: string };

export type TokenOutcome = { readonly kind: "ok"; readonly tokens: IssuedTokens } | TokenFailure;

export const BAD_RESPONSE = "provider_bad_response";
/** Tokens that are no use without more than themselves (RFC 6749 §7.1). */
export const UNSUPPORTED_TYPE = "unsupported_token_type";
const UNRECOGNISED = "unrecognised_error";

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

export function outcomeOfFailure(failure: Failure): TokenFailure {
  return failure.kind === "not_sent"
    ? { kind: "retry_later", sent: false, retry_after_ms: null, error: failure.reason }
    : { kind: "unknown", error: failure.reason };
}

/** An answer after the provider's deviations; null = it has the status of a success. */
export function outcomeOfAnswer(
  provider: Provider,
  answer: { readonly status: number; readonly body: JsonValue },
  retry_after_ms: number | null,
): TokenFailure | null {
  const { status } = answer;
  if (status >= 200 && status < 300) return null;
  const found = errorName(provider, answer.body);
  const error = found?.name ?? `http_${status}`;
  const later: TokenFailure = { kind: "retry_later", sent: true, retry_after_ms, error };
  if (status === 429) return later;
  // 307 and 308 ask for the same request elsewhere, so it was not carried out here. It is not repeated there either:
  // it carries the client's secret. Every other redirect may be the answer to a request that was carried out.
  if (status === 307 || status === 308) return { ...later, error: "redirected" };
  if (status < 400 || status > 499) return { kind: "unknown", error };
  if (found?.class === "refused") return { kind: "refused", error };
  if (found?.class === "misconfigured") return { kind: "misconfigured", error };
  return later;
}

/** The name in `error` of a JSON body, or of a body that is nothing but a known name; null when there is none. */
export function errorName(
  provider: Provider,
  body: JsonValue,
): { readonly name: string; readonly class: NameClass | null } | null {
  const in_object = isJsonObject(body);
  const raw = in_object ? body["error"] : body;
  if (typeof raw !== "string" || raw === "") return null;
  const name = cleanName(raw);
  // The vendor's lists go first: it may use a name of the RFC for something else.
  for (const names of [provider.errors, RFC_NAMES]) {
    for (const nameClass of ["refused", "misconfigured", "transient"] as const) {
      if (names[nameClass].some((known) => cleanName(known) === name)) return { name, class: nameClass };
    }
  }
  return in_object ? { name: UNRECOGNISED, class: null } : null;
}

function cleanName(text: string): string {
  return text
    .trim()
    .slice(0, 100)
    .toLowerCase()
    .replaceAll(/[^a-z0-9_.-]/g, "_");
}
