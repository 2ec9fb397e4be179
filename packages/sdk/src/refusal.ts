/**
 * Turns a non-2xx answer into a HoldfastError. Owns the precedence among the places where servers put message and code;
 * knows nothing of single calls. Pure.
 */
import { HoldfastError } from "./error.ts";
import { isRecord, parseBody, textOf } from "./json.ts";

export interface Answer {
  /** `METHOD address`, for messages. */
  readonly what: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly redirected: boolean;
  readonly repeatable: boolean;
}

const TRANSIENT = new Set([429, 502, 503, 504]);

export function refusalOf(answer: Answer): HoldfastError {
  const data = parseBody(answer.body);
  const body = isRecord(data) ? data : {};
  const nested = isRecord(body["error"]) ? body["error"] : {};
  const said =
    textOf(nested["message"]) ?? textOf(body["message"]) ?? textOf(body["detail"]) ?? validationText(body["detail"]);
  const code =
    textOf(nested["code"]) ??
    textOf(body["code"]) ??
    textOf(answer.headers.get("x-base44-connector-error")) ??
    (answer.redirected ? "unexpected_redirect" : undefined);
  const retryable = body["retryable"];
  return new HoldfastError(said ?? genericText(answer), {
    status: answer.status,
    code,
    data,
    requestId: textOf(answer.headers.get("x-request-id")) ?? textOf(body["request_id"]),
    retryable: typeof retryable === "boolean" ? retryable : answer.repeatable && TRANSIENT.has(answer.status),
  });
}

function genericText({ what, status, redirected }: Answer): string {
  if (!redirected) return `${what} was answered with status ${status} and no message`;
  return `${what} was redirected. Redirects are not followed, since tokens would go along: set serverUrl to the final address`;
}

/** Validators (FastAPI's, for one) send `detail` as a list of `{ loc, msg }`, which would print as `[object Object]`. */
function validationText(detail: unknown): string | undefined {
  const entries = Array.isArray(detail) ? detail : [detail];
  return textOf(entries.map(entryText).filter(Boolean).join("; "));
}

function entryText(entry: unknown): string | undefined {
  if (!isRecord(entry)) return textOf(entry);
  const text = textOf(entry["msg"]) ?? textOf(entry["message"]);
  const place = Array.isArray(entry["loc"]) ? entry["loc"].join(".") : "";
  return text !== undefined && place !== "" ? `${place}: ${text}` : text;
}
