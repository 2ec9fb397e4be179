/**
 * Errors on the wire: `{ message, detail, code, request_id, retryable, extra_data? }` as JSON, or a
 * page for a browser. A failed call of a function also has `error`, which its callers read. Any
 * error other than a CodedError is a defect. The log gets it with its request id. The reply is
 * `internal`, without the error's own text.
 */
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { Config } from "../config.ts";
import { CodedError, ERRORS, type ErrorCode, type FieldError } from "../core/errors.ts";
import { localPath } from "../core/local-path.ts";
import type { Log } from "../telemetry/log.ts";
import { bridgeOf } from "./bridge.ts";
import { functionsHostOf } from "./functions-host.ts";
import { html } from "./pages/html.ts";
import { sendPage } from "./pages/page.ts";

export interface ErrorBody {
  /** The message again. Only in replies to function calls. */
  readonly error?: string;
  readonly message: string;
  readonly detail: string;
  readonly code: string;
  readonly request_id: string;
  readonly retryable: boolean;
  readonly extra_data?: Readonly<Record<string, unknown>>;
}

const FUNCTION_CALL = /^\/api\/(?:apps\/:app\/)?functions\//;

/** `is_call`: the request calls a function. */
export function errorBody(
  error: CodedError,
  { request_id, is_call }: { readonly request_id: string; readonly is_call: boolean },
): ErrorBody {
  const { reason, reconnect_url, errors, thrown } = error.options;
  const code = thrown?.code ?? error.code;
  const { retryable, who_must_act } = isErrorCode(code) ? ERRORS[code] : ERRORS[error.code];
  const extra_data = {
    who_must_act,
    ...(reason === undefined ? {} : { reason }),
    ...(reconnect_url === undefined ? {} : { reconnect_url }),
    ...(errors === undefined ? {} : { errors }),
  };
  const { message } = error;
  const call = is_call ? { error: message } : {};
  return { ...call, message, detail: message, code, request_id, retryable, extra_data };
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);

/** Sends an error, as a page to a browser that navigates. */
export function sendError(
  request: FastifyRequest,
  reply: FastifyReply,
  config: Config,
  error: CodedError,
): FastifyReply {
  const { retry_after_s, headers, thrown } = error.options;
  void reply
    .code(error.status)
    .header("cache-control", "no-store")
    .headers(headers ?? {});
  // Tell clients that can retry when to do so (RFC 9110 §10.2.3).
  const wait_s = retry_after_s ?? (error.status === 503 ? 1 : undefined);
  if (wait_s !== undefined) void reply.header("retry-after", String(wait_s));
  if (error.status === 401 && thrown === undefined)
    void reply.header(
      "www-authenticate",
      `Bearer realm="holdfast"${error.code === "missing_token" ? "" : ', error="invalid_token"'}`,
    );
  const has_pages = bridgeOf(request) === null && functionsHostOf(config, request) === null;
  const is_page = has_pages && request.headers.accept?.includes("text/html") === true;
  if (is_page && thrown === undefined) return sendErrorPage(request, reply, config, error);
  const { id: request_id, routeOptions } = request;
  const body = errorBody(error, { request_id, is_call: FUNCTION_CALL.test(routeOptions.url ?? "") });
  // Bypass the route's response schemas, which describe its successes.
  return reply.type("application/json; charset=utf-8").serializer(JSON.stringify).send(body);
}

const TITLES: { readonly [Code in ErrorCode]?: string } = {
  sign_in_required: "You are not signed in",
  route_not_found: "Page not found",
  not_found: "Page not found",
  setup_link_invalid: "This link has expired",
  invitation_invalid: "This link has expired",
  flow_not_found: "This link has expired",
  flow_expired: "This link has expired",
};

function sendErrorPage(request: FastifyRequest, reply: FastifyReply, config: Config, error: CodedError): FastifyReply {
  const { errors = [], reconnect_url } = error.options;
  const body = html`<p>${error.message}</p>
    ${
      errors.length === 0
        ? null
        : html`<ul>
            ${errors.map((field) => html`<li>${field.name}: ${field.message}</li>`)}
          </ul>`
    }
    ${error.code === "sign_in_required" ? html`<p><a class="button" href="/sign-in?next=${encodeURIComponent(nextOf(request))}">Sign in</a></p>` : null}
    ${reconnect_url === undefined ? null : html`<p><a href="${reconnect_url}">Start again</a></p>`}
    <p class="soft">Code ${error.code}, request ${request.id}</p>`;
  const title = TITLES[error.code] ?? "Something went wrong";
  return sendPage(reply, config, { title, body, mark: "bad", status: error.status });
}

/**
 * Returns the requested page. After a form it returns the start page: signing in does not repeat
 * the form's action.
 */
function nextOf({ method, raw }: FastifyRequest): string {
  if (method !== "GET") return "/";
  const with_query = localPath(raw.url);
  return with_query === "/" ? localPath(raw.url?.split("?", 1)[0]) : with_query;
}

/** Our codes for Fastify's own errors. */
const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
  FST_ERR_CTP_BODY_TOO_LARGE: "body_too_large",
  FST_ERR_CTP_INVALID_JSON_BODY: "invalid_json",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "bad_request",
  FST_ERR_BAD_URL: "bad_request",
  FST_ERR_MAX_PARAM_LENGTH: "invalid_field",
};

/** Converts any error to a CodedError. A defect becomes `internal`. */
export function toCodedError(
  error: FastifyError | CodedError | Error,
  { routeOptions }: Pick<FastifyRequest, "routeOptions">,
): CodedError {
  if (error instanceof CodedError) return error;
  if ("validation" in error && Array.isArray(error.validation)) return validationError(error.validation);
  const code = "code" in error ? FASTIFY_CODES[error.code] : undefined;
  if (code === "body_too_large") return bodyTooLarge(routeOptions.bodyLimit);
  if (code !== undefined) return new CodedError(code);
  if (error instanceof SyntaxError && error.message.includes("forbidden prototype"))
    return new CodedError("forbidden_key");
  if (
    "statusCode" in error &&
    typeof error.statusCode === "number" &&
    error.statusCode >= 400 &&
    error.statusCode < 500
  ) {
    return new CodedError("bad_request", { cause: error });
  }
  return new CodedError("internal", { cause: error });
}

/** Names the limit of the route, which can be larger than that of most. */
function bodyTooLarge(bytes: number): CodedError {
  return new CodedError("body_too_large", { message: `The body is larger than ${Math.floor(bytes / 1024)} KiB.` });
}

interface AjvFinding {
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Returns one error for all findings, each with its position as a JSON pointer (RFC 6901). */
function validationError(findings: readonly AjvFinding[]): CodedError {
  const errors = findings.map(fieldError);
  const only_unknown = findings.every((finding) => finding.keyword === "additionalProperties");
  const names = errors.map((error) => `${error.name} ${error.message}`).join("; ");
  return new CodedError(only_unknown ? "unknown_field" : "invalid_field", {
    errors,
    message: `${ERRORS[only_unknown ? "unknown_field" : "invalid_field"].message} (${names})`,
  });
}

function fieldError({ instancePath, keyword, message, params }: AjvFinding): FieldError {
  if (keyword === "additionalProperties")
    return {
      name: `${instancePath}/${String(params["additionalProperty"]).slice(0, 64)}`,
      message: "is not a known field",
    };
  if (keyword === "required")
    return { name: `${instancePath}/${String(params["missingProperty"])}`, message: "is required" };
  return { name: instancePath === "" ? "/" : instancePath, message: message ?? "is not valid" };
}

/** Returns a handler that logs defects and sends the error. */
export function handleErrors(config: Config, log: Log) {
  return (thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const error = toCodedError(thrown, request);
    if (error.status >= 500 && error.code === "internal") {
      log.error("internal_error", {
        request_id: request.id,
        method: request.method,
        route: request.routeOptions.url ?? "",
        error: error.options.cause ?? thrown,
      });
    }
    return sendError(request, reply, config, error);
  };
}
