/**
 * Turns a non-2xx reply into a HoldfastError. Owns the precedence of the fields in which servers
 * send message and code. Knows nothing of individual calls. Pure.
 */
import { HoldfastError } from "./error.ts";
import { isRecord, parseBody, nonEmptyString } from "./json.ts";

export interface FailedReply {
  /** `METHOD address`, for messages. */
  readonly label: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly redirected: boolean;
  readonly repeatable: boolean;
}

const TRANSIENT = new Set([429, 502, 503, 504]);

export function errorFrom(reply: FailedReply): HoldfastError {
  const data = parseBody(reply.body);
  const body = isRecord(data) ? data : {};
  const nested = isRecord(body["error"]) ? body["error"] : {};
  const message =
    nonEmptyString(nested["message"]) ??
    nonEmptyString(body["message"]) ??
    nonEmptyString(body["detail"]) ??
    validationText(body["detail"]);
  const code =
    nonEmptyString(nested["code"]) ??
    nonEmptyString(body["code"]) ??
    nonEmptyString(reply.headers.get("x-base44-connector-error")) ??
    (reply.redirected ? "unexpected_redirect" : undefined);
  const retryable = body["retryable"];
  return new HoldfastError(message ?? genericText(reply), {
    status: reply.status,
    code,
    data,
    requestId: nonEmptyString(reply.headers.get("x-request-id")) ?? nonEmptyString(body["request_id"]),
    retryable: typeof retryable === "boolean" ? retryable : reply.repeatable && TRANSIENT.has(reply.status),
  });
}

function genericText({ label, status, redirected }: FailedReply): string {
  if (!redirected) return `${label} returned status ${status} without a message`;
  return `${label} was redirected. Redirects are not followed, because they would expose tokens: set serverUrl to the final address`;
}

/**
 * Some validators (e.g. FastAPI) send `detail` as a list of `{ loc, msg }`, which would print as
 * `[object Object]`.
 */
function validationText(detail: unknown): string | undefined {
  const entries = Array.isArray(detail) ? detail : [detail];
  return nonEmptyString(entries.map(entryText).filter(Boolean).join("; "));
}

function entryText(entry: unknown): string | undefined {
  if (!isRecord(entry)) return nonEmptyString(entry);
  const text = nonEmptyString(entry["msg"]) ?? nonEmptyString(entry["message"]);
  const place = Array.isArray(entry["loc"]) ? entry["loc"].join(".") : "";
  return text !== undefined && place !== "" ? `${place}: ${text}` : text;
}
