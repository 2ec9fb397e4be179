/**
 * The state of one attempt at a request: how far it got, what stopped it, and its timers. Decides
 * between `not_sent` and `maybe_sent`. Does not know the HTTP library. Times in milliseconds.
 */
import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { errnoOf } from "../core/errno.ts";
import { ADDRESS_REFUSED } from "./checked-lookup.ts";
import type { FailureReason, OutboundRequest, RequestFailure } from "./outbound.ts";

export interface Attempt {
  readonly request: OutboundRequest;
  readonly clock: Clock;
  readonly abort: AbortController;
  readonly onAbort: () => void;
  phase: "connecting" | "sent" | "ended";
  stopped: RequestFailure | null;
  /** True if the peer reset the connection. */
  was_reset: boolean;
  cancelDeadline: () => void;
  cancelConnect: () => void;
  cancelHeaders: () => void;
}

/** A timer that fires later than this means that the process was stopped, not just busy. */
const STOPPED_MS = 500;

/** Starts the timers of an attempt and listens to the request's abort signal. */
export function startAttempt(request: OutboundRequest, connect_timeout_ms: number, clock: Clock): Attempt {
  const none = (): void => {};
  const attempt: Attempt = {
    request,
    clock,
    abort: new AbortController(),
    onAbort: () => stop(attempt, "aborted", "aborted"),
    phase: "connecting",
    stopped: null,
    was_reset: false,
    cancelDeadline: none,
    cancelConnect: none,
    cancelHeaders: none,
  };
  startDeadline(attempt);
  attempt.cancelConnect = clock.after(connect_timeout_ms, () => timeOut(attempt));
  if (request.signal?.aborted === true) attempt.onAbort();
  else request.signal?.addEventListener("abort", attempt.onAbort, { once: true });
  return attempt;
}

function startDeadline(attempt: Attempt): void {
  const { clock, request } = attempt;
  const started_ms = clock.monotonic_ms();
  attempt.cancelDeadline = clock.after(request.deadline_ms, () => {
    const late_ms = clock.monotonic_ms() - started_ms - request.deadline_ms;
    if (late_ms < STOPPED_MS) return timeOut(attempt);
    // The process was stopped. A response that arrived meanwhile is in the socket's buffer, and the
    // event loop runs timers before sockets. Allow time to read it.
    attempt.cancelDeadline = clock.after(STOPPED_MS, () => timeOut(attempt));
  });
}

/**
 * Stops the attempt, once. Before the connection is established, no byte can have left. After that,
 * some may have.
 */
function stop(attempt: Attempt, before: FailureReason, after: FailureReason): void {
  attempt.stopped ??=
    attempt.phase === "connecting" ? { kind: "not_sent", reason: before } : { kind: "maybe_sent", reason: after };
  attempt.abort.abort();
}

const timeOut = (attempt: Attempt): void => stop(attempt, "connect_timeout", "timeout");

/**
 * Starts sending on the connected socket. Returns false if sending is not allowed: the attempt was
 * stopped, `onSend` declined, or this is a second connection for the same request.
 */
export function beginSending(attempt: Attempt, socket: Socket): boolean {
  const { request, clock } = attempt;
  const is_first = attempt.stopped === null && attempt.phase === "connecting";
  if (!is_first) return false;
  if (request.onSend?.() === false) {
    stop(attempt, "gave_up", "gave_up");
    return false;
  }
  attempt.phase = "sent";
  attempt.cancelConnect();
  // undici treats a reset after the headers of a "Connection: close" response as the end of its
  // body. It reports its own error for every such connection.
  socket.once("error", (cause: NodeJS.ErrnoException) => {
    attempt.was_reset = cause.code === "ECONNRESET";
  });
  if (request.headers_timeout_ms !== undefined) {
    attempt.cancelHeaders = clock.after(request.headers_timeout_ms, () => timeOut(attempt));
  }
  return true;
}

/** Classifies `error` as a failure of the request. */
export function failureOf({ stopped, phase }: Attempt, error: unknown): RequestFailure {
  if (stopped !== null) return stopped;
  return phase === "connecting"
    ? { kind: "not_sent", reason: connectFailure(error) }
    : { kind: "maybe_sent", reason: "connection_lost" };
}

/**
 * Returns why no connection was established. Drops the message, which can name internal addresses.
 */
function connectFailure(error: unknown): FailureReason {
  const code = errnoOf(error) ?? "";
  if (code === ADDRESS_REFUSED) return "address_refused";
  if (code === "ENOTFOUND" || code.startsWith("EAI_")) return "dns_failed";
  // undici checks headers and path before it connects.
  if (code === "UND_ERR_INVALID_ARG") return "not_representable";
  if (/CERT|SSL|TLS|SIGNATURE|ISSUER/.test(code)) return "tls_failed";
  return "connect_failed";
}

/** Cancels the timers and stops listening to the abort signal. */
export function endAttempt(attempt: Attempt): void {
  attempt.phase = "ended";
  attempt.cancelDeadline();
  attempt.cancelConnect();
  attempt.cancelHeaders();
  attempt.request.signal?.removeEventListener("abort", attempt.onAbort);
}
