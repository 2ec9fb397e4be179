/**
 * Outbound HTTP: requests to providers and webhook receivers. net/ owns the connection, strict
 * JSON, Retry-After and the User-Agent. It must not know OAuth, events, or what a request is for.
 * This is the only file that imports undici.
 *
 * Each request has its own connection and is sent once: no reuse, no retries, no redirects, no
 * cookies, no compression. Sending a single-use refresh token twice can revoke the grant (RFC 9700
 * §4.14.2), so the caller decides about retries. A failure is `not_sent` only if no byte of the
 * request can have left. Failures are values: nothing throws, and nothing is logged. Times in ms,
 * sizes in bytes.
 */
import { Client, buildConnector } from "undici";
import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import { beginSending, endAttempt, failureOf, startAttempt, type Attempt } from "./attempt.ts";
import { checkedLookup, type Resolve } from "./checked-lookup.ts";
import { throughGateway } from "./gateway.ts";
import { addressRule, refusalOf, type UrlRules } from "./url-rules.ts";
import type { HttpClient, OutboundRequest, OutboundResponse, RequestFailure } from "./outbound.ts";

export interface HttpClientOptions extends UrlRules {
  /** Loopback origin of a simulator. Null: the real providers. */
  readonly gateway: string | null;
  readonly limits: Pick<Limits, "provider_connect_timeout_ms" | "provider_response_bytes">;
  readonly clock: Clock;
  /** PEM of the only certificate authority to trust, instead of the system's. */
  readonly ca?: string;
  /** Replaces the system's name resolution. */
  readonly resolve?: Resolve;
}

export function createHttpClient(options: HttpClientOptions): HttpClient {
  return { send: (request) => send(options, request) };
}

async function send(options: HttpClientOptions, request: OutboundRequest): Promise<OutboundResponse | RequestFailure> {
  const refusal = refusalOf(options, request.url);
  if (refusal !== null) return { kind: "not_sent", reason: refusal };
  const { limits, clock } = options;
  const target = new URL(throughGateway(options.gateway, request.url));
  const attempt = startAttempt(request, limits.provider_connect_timeout_ms, clock);
  const client = clientFor(target.origin, attempt, options);
  try {
    const response = await client.request({
      method: request.method,
      path: target.pathname + target.search,
      headers: request.headers,
      body: request.body ?? null,
      signal: attempt.abort.signal,
    });
    attempt.cancelHeaders();
    const { body, complete } = await readUpTo(response.body, limits.provider_response_bytes);
    const headers = firstValues(response.headers);
    // A body delimited by the end of the connection is complete only if the connection was not
    // reset.
    const delimited = "content-length" in headers || "transfer-encoding" in headers;
    if (!delimited && attempt.was_reset) return { kind: "maybe_sent", reason: "connection_lost" };
    return { kind: "response", status: response.statusCode, headers, body, complete };
  } catch (error) {
    return failureOf(attempt, error);
  } finally {
    endAttempt(attempt);
    // Closes the socket immediately. The promise only reports when that is done.
    void client.destroy();
  }
}

function clientFor(origin: string, attempt: Attempt, options: HttpClientOptions): Client {
  // The signal also aborts a connection that is still being established, which undici does not.
  const { signal } = attempt.abort;
  const { ca, resolve } = options;
  const lookup = checkedLookup(addressRule(options), resolve);
  const connect = buildConnector({ allowH2: false, timeout: 0, signal, lookup, ...(ca === undefined ? {} : { ca }) });
  return new Client(origin, {
    connect: watched(connect, attempt),
    allowH2: false,
    // Connection: close. A reused connection can be half dead, which leaves unknown whether the
    // request was sent.
    pipelining: 0,
    // Timeouts run on the injected clock instead.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

function watched(connect: buildConnector.connector, attempt: Attempt): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...result) => {
      const [error, socket] = result;
      if (error !== null) return callback(error, null);
      if (beginSending(attempt, socket)) return callback(null, socket);
      socket.destroy();
      return callback(new Error("not sent"), null);
    });
}

/** Counts while reading, so that an endless response costs no more than the limit. */
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
