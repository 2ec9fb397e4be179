/**
 * Sends one request to a function's process. Bodies pass in both directions as they arrive, and
 * only as fast as their reader reads. Never retries, because the function may have acted on the
 * request. Must not know what a response means: functions.ts does.
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import { callerTooSlow, type Late } from "./failures.ts";
import type { Limits } from "../core/limits.ts";

/** Where a process receives requests. */
export type Address = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The events on one connection to a process. */
export interface Exchange {
  /** The side that must act: the caller until its body has arrived, then the function. */
  waits_for: Late;
  response: IncomingMessage | null;
}

const INTERIM = "The function's process sent an interim response, which functions cannot send.";

export interface Sending {
  readonly address: Address;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** A stream is opened only when the process can receive it. */
  readonly body: Uint8Array | (() => Readable) | null;
  /** Aborts the request, and the response body if it has started. */
  readonly signal: AbortSignal;
  /** Updated as the request proceeds. */
  readonly exchange: Exchange;
  readonly limits: Limits;
  readonly clock: Clock;
}

/**
 * Resolves with the response's headers, even while the body is still being sent.
 *
 * @throws CodedError `body_too_large`, `request_timeout`, `bad_request` for a body that breaks off,
 *   and the errors of node:http
 */
export async function sendRequest(sending: Sending): Promise<IncomingMessage> {
  const { address, method, path, headers, signal, body, limits } = sending;
  if (body instanceof Uint8Array && body.length > limits.function_body_bytes)
    throw tooLarge(limits.function_body_bytes);
  const response = Promise.withResolvers<IncomingMessage>();
  const request = httpRequest({
    ...address,
    method,
    path,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
    ),
    signal,
    agent: false,
  });
  request.once("response", (started) => {
    sending.exchange.response = started;
    response.resolve(started);
  });
  // Deno sends none. A hostile process could send them endlessly, and keep the server busy.
  request.once("information", () => request.destroy(new CodedError("function_error", { message: INTERIM })));
  request.on("error", response.reject);
  // Node closes the connection without an error if it does not pass the response on, such as 101.
  request.once("close", () => response.reject(new Error("There was no response.")));
  if (typeof body !== "function") request.end(body ?? undefined);
  else
    pump(sending, body(), request, (error) => {
      response.reject(error);
      request.destroy();
    });
  return await response.promise;
}

/**
 * Copies a caller's body. Never destroys `source`: the caller's connection is still needed for the
 * reply. If the function stops reading, so does this.
 */
function pump(
  { limits, clock, exchange }: Sending,
  source: Readable,
  request: ClientRequest,
  fail: (error: CodedError) => void,
): void {
  let left = limits.function_body_bytes;
  let cancelIdle = (): void => {};
  const stop = (): void => {
    cancelIdle();
    exchange.waits_for = "function";
    source.off("data", onData).off("end", onEnd).off("close", onBroken).off("error", onBroken);
    request.off("drain", resume).off("close", stop);
    // After an early response, another reader already discards the rest of the body.
    if (source.listenerCount("data") > 0) source.resume();
    else source.pause();
  };
  const failWith = (error: CodedError): void => {
    stop();
    fail(error);
  };
  const waitForData = (): void => {
    cancelIdle();
    exchange.waits_for = "caller";
    cancelIdle = clock.after(limits.function_upload_idle_ms, () => failWith(callerTooSlow()));
  };
  const resume = (): void => {
    waitForData();
    source.resume();
  };
  const onData = (chunk: Buffer): void => {
    left -= chunk.length;
    if (left < 0) return failWith(tooLarge(limits.function_body_bytes));
    if (request.write(chunk)) return waitForData();
    // The function reads slowly. The caller's timeout does not count this wait.
    cancelIdle();
    exchange.waits_for = "function";
    source.pause();
  };
  const onEnd = (): void => {
    stop();
    request.end();
  };
  const onBroken = (): void => failWith(new CodedError("bad_request", { message: "The body ended early." }));
  source.on("data", onData).on("end", onEnd).on("close", onBroken).on("error", onBroken);
  request.on("drain", resume).on("close", stop);
  waitForData();
}

export const tooLarge = (body_bytes: number): CodedError =>
  new CodedError("body_too_large", { message: `The body of a function call can have at most ${body_bytes} bytes.` });
