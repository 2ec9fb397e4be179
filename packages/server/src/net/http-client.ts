/**
 * HTTPS to providers. The only file that opens connections to them, and the only one that imports undici.
 *
 * Each request has its own connection and is sent once: no reuse, no retry, no redirects, no cookies, no compression.
 * A second sending of a single-use refresh token may revoke the grant (RFC 9700 §4.14.2), so whether to repeat is
 * decided above, by what this file reports: a failure is `not_sent` only when no byte of the request can have left.
 * Failures are values; nothing throws and nothing is logged. Times in milliseconds, sizes in bytes.
 */
import { Client, buildConnector } from "undici";
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { throughGateway } from "./gateway.ts";

export interface OutboundRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** https, unless `plain_loopback` allows more; with a gateway the transport alone knows where it goes. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The whole exchange, connecting and reading included. */
  readonly deadline_ms: number;
  /** From connected to headers received; unset = up to the deadline. */
  readonly headers_timeout_ms?: number;
  /** Called when connected, right before the first byte is written. `false` = close without sending. */
  readonly onSend?: () => boolean;
  readonly signal?: AbortSignal;
}

export interface OutboundResponse {
  readonly kind: "response";
  readonly status: number;
  /** Names in lower case; of a repeated header the first. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** False when the body was cut off at `provider_response_bytes`. */
  readonly complete: boolean;
}

type FailureReason =
  | "not_https"
  | "not_representable"
  | "gave_up"
  | "aborted"
  | "dns_failed"
  | "connect_failed"
  | "connect_timeout"
  | "tls_failed"
  | "timeout"
  | "connection_lost";

export interface Failure {
  readonly kind: "not_sent" | "maybe_sent";
  readonly reason: FailureReason;
}

export interface HttpClient {
  send(request: OutboundRequest): Promise<OutboundResponse | Failure>;
}

export interface HttpClientOptions {
  /** Origin of a simulator on loopback; null = the real providers. */
  readonly gateway: string | null;
  readonly limits: Pick<Limits, "provider_connect_timeout_ms" | "provider_response_bytes">;
  readonly clock: Clock;
  /** PEM of the only certificate authority to trust, in place of the system's. */
  readonly ca?: string;
  /** http:// too, where it does not leave this machine. For what the operator names, never for a provider. */
  readonly plain_loopback?: boolean;
}

const PLAIN_LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])[:/]/;

export function createHttpClient({ gateway, limits, clock, ca, plain_loopback }: HttpClientOptions): HttpClient {
  const isAllowed = (url: string): boolean =>
    url.startsWith("https://") || (plain_loopback === true && PLAIN_LOOPBACK.test(url));
  return {
    async send(request) {
      if (!isAllowed(request.url) || !URL.canParse(request.url)) {
        return { kind: "not_sent", reason: "not_https" };
      }
      const target = new URL(throughGateway(gateway, request.url));
      const attempt = startAttempt(request, limits.provider_connect_timeout_ms, clock);
      const client = new Client(target.origin, {
        connect: attempt.watch(
          // The signal also ends a connection that is still being made, which undici leaves alone.
          buildConnector({ allowH2: false, timeout: 0, signal: attempt.signal, ...(ca === undefined ? {} : { ca }) }),
        ),
        allowH2: false,
        // Connection: close. A reused connection may be half dead, and then nobody knows what was sent.
        pipelining: 0,
        // Time-outs run on the injected clock instead.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      try {
        const response = await client.request({
          method: request.method,
          path: target.pathname + target.search,
          headers: request.headers,
          body: request.body ?? null,
          signal: attempt.signal,
        });
        attempt.headersReceived();
        const { body, complete } = await readUpTo(response.body, limits.provider_response_bytes);
        const headers = firstValues(response.headers);
        // A body that ends where the connection does is whole only if the connection ended well.
        const delimited = "content-length" in headers || "transfer-encoding" in headers;
        if (!delimited && attempt.wasReset()) return { kind: "maybe_sent", reason: "connection_lost" };
        return { kind: "response", status: response.statusCode, headers, body, complete };
      } catch (error) {
        return attempt.failureOf(error);
      } finally {
        attempt.end();
        // Closes the socket at once. The promise says only when it is gone.
        void client.destroy();
      }
    },
  };
}

/** A timer that is later than this was held up by more than a busy process. */
const STOPPED_MS = 500;

/** What is known about one attempt: how far it came, and what stopped it. */
function startAttempt(request: OutboundRequest, connect_timeout_ms: number, clock: Clock) {
  const abort = new AbortController();
  let phase: "connecting" | "sent" | "ended" = "connecting";
  let stopped: Failure | null = null;
  let reset = false;

  /** A connection that stands may have carried bytes already; before that, none can have left. */
  const stop = (before: FailureReason, after: FailureReason): void => {
    stopped ??= phase === "connecting" ? { kind: "not_sent", reason: before } : { kind: "maybe_sent", reason: after };
    abort.abort();
  };
  const onAbort = (): void => stop("aborted", "aborted");
  const started_ms = clock.monotonic_ms();
  let cancelDeadline = clock.after(request.deadline_ms, () => {
    const late_ms = clock.monotonic_ms() - started_ms - request.deadline_ms;
    if (late_ms < STOPPED_MS) return stop("connect_timeout", "timeout");
    // The process stood still. What came meanwhile lies in the socket's buffer, and timers are looked at before sockets.
    cancelDeadline = clock.after(STOPPED_MS, () => stop("connect_timeout", "timeout"));
  });
  const cancelConnect = clock.after(connect_timeout_ms, () => stop("connect_timeout", "timeout"));
  let cancelHeaders: (() => void) | null = null;
  if (request.signal?.aborted === true) onAbort();
  else request.signal?.addEventListener("abort", onAbort, { once: true });

  return {
    signal: abort.signal,
    wasReset: (): boolean => reset,

    watch:
      (connect: buildConnector.connector): buildConnector.connector =>
      (options, callback) =>
        connect(options, (...result) => {
          const [error, socket] = result;
          if (error !== null) return callback(error, null);
          // `ended`: nobody waits any more. `sent`: this would be a second connection for the same request.
          if (stopped === null && phase === "connecting" && request.onSend?.() === false) stop("gave_up", "gave_up");
          if (stopped !== null || phase !== "connecting") {
            socket.destroy();
            return callback(new Error("not sent"), null);
          }
          phase = "sent";
          cancelConnect();
          // undici takes a reset after the headers of a "Connection: close" answer for its end, and ends every such
          // connection with an error of its own.
          socket.once("error", (cause: NodeJS.ErrnoException) => {
            reset = cause.code === "ECONNRESET";
          });
          if (request.headers_timeout_ms !== undefined) {
            cancelHeaders = clock.after(request.headers_timeout_ms, () => stop("connect_timeout", "timeout"));
          }
          return callback(null, socket);
        }),

    headersReceived: (): void => cancelHeaders?.(),

    failureOf: (error: unknown): Failure =>
      stopped ??
      (phase === "connecting"
        ? { kind: "not_sent", reason: reasonOf(error) }
        : { kind: "maybe_sent", reason: "connection_lost" }),

    end: (): void => {
      phase = "ended";
      cancelDeadline();
      cancelConnect();
      cancelHeaders?.();
      request.signal?.removeEventListener("abort", onAbort);
    },
  };
}

/** Why no connection came about. Error texts are not passed on: some name addresses inside the network. */
function reasonOf(error: unknown): FailureReason {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  if (code === "ENOTFOUND" || code.startsWith("EAI_")) return "dns_failed";
  // undici checks headers and path before it connects.
  if (code === "UND_ERR_INVALID_ARG") return "not_representable";
  if (/CERT|SSL|TLS|SIGNATURE|ISSUER/.test(code)) return "tls_failed";
  return "connect_failed";
}

/** Counts while reading, so that an endless answer costs no more than the limit. */
async function readUpTo(
  stream: AsyncIterable<unknown>,
  limit_bytes: number,
): Promise<Pick<OutboundResponse, "body" | "complete">> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) continue;
    size += chunk.length;
    if (size > limit_bytes) return { body: Buffer.concat(chunks), complete: false };
    chunks.push(chunk);
  }
  return { body: Buffer.concat(chunks), complete: true };
}

function firstValues(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const first = Array.isArray(value) ? value[0] : value;
      return first === undefined ? [] : [[name.toLowerCase(), first] as const];
    }),
  );
}
