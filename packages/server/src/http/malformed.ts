/**
 * Requests that Node refuses before they reach Fastify: malformed HTTP, headers that are too large
 * or too slow, unknown methods, CONNECT, HTTP/1.1 without a host. Their replies have the form and
 * the codes of all others, and never a byte of the request.
 */
import { STATUS_CODES, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { errnoOf } from "../core/errno.ts";
import { CodedError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { HttpContext } from "./context.ts";
import { errorBody } from "./errors.ts";
import type { HttpServer } from "./fastify.ts";

type Deps = Pick<HttpContext, "clock" | "config" | "log">;

interface State extends Deps {
  /** The responses of each connection that have not ended. A caller can send several requests. */
  readonly responses: WeakMap<Socket, Set<ServerResponse>>;
  /** How many bytes each refused connection had sent when it was refused. */
  readonly refused: WeakMap<Socket, number>;
  /** Refusals by code since the last log line, and when the next line is due. */
  readonly unlogged: Map<CodedError["code"], { count: number; next_at_ms: number }>;
}

/** The methods of our routes. CONNECT is for proxies. */
const ALLOW = { allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY" } as const;

/** A request line (RFC 9112 §3) with a name of a method that Node does not know. */
const UNKNOWN_METHOD = /^[A-Z][A-Z-]{0,31} \/[\x21-\x7e]* HTTP\/1\.[01]\r\n/;

export interface Malformed {
  /** For Fastify's option of the same name. */
  readonly clientErrorHandler: (error: Error, socket: Socket) => void;
  /** Replies to what reaches no route. Node's own check for a missing host must be off. */
  attach(server: HttpServer): void;
}

export function createMalformed(deps: Deps): Malformed {
  const state: State = { ...deps, responses: new WeakMap(), refused: new WeakMap(), unlogged: new Map() };
  return {
    clientErrorHandler: (error, socket) => onClientError(state, error, socket),
    attach: (server) => attach(state, server),
  };
}

function attach(state: State, server: HttpServer): void {
  server.server.on("request", (request, response) => remember(state, request.socket, response));
  // CONNECT never becomes a request. Without a listener, Node closes the connection with no reply.
  server.server.on("connect", (_request, socket) => {
    if (!(socket instanceof Socket)) return void socket.destroy();
    socket.on("error", () => socket.destroy());
    refuse(state, socket.resume(), unknownMethod());
  });
  // Without a listener, Node replies 417. A server can ignore what it does not know (RFC 9110
  // §10.1.1).
  server.server.on("checkExpectation", (request, response) => server.server.emit("request", request, response));
  server.addHook("onRequest", ({ raw }, _reply, done) => {
    // A proxy and this server could otherwise disagree about the host (RFC 9112 §3.2).
    const lacks_host = raw.httpVersion === "1.1" && raw.headers.host === undefined;
    done(lacks_host ? new CodedError("bad_request", { headers: { connection: "close" } }) : undefined);
  });
}

function remember({ responses }: State, socket: Socket, response: ServerResponse): void {
  const open = responses.get(socket) ?? new Set();
  responses.set(socket, open.add(response));
  response.once("close", () => open.delete(response));
}

const unknownMethod = (): CodedError =>
  new CodedError("method_not_allowed", { message: "This server does not know that method.", headers: ALLOW });

function onClientError(state: State, error: Error, socket: Socket): void {
  const sent_bytes = state.refused.get(socket);
  if (sent_bytes !== undefined) {
    // The rest of a refused request. Node's parser finds an error in each part of it.
    if (socket.bytesRead - sent_bytes > state.config.limits.refused_body_bytes) socket.destroy();
    return;
  }
  const refusal = refusalOf(error);
  if (refusal === null) socket.destroy();
  else refuse(state, socket, refusal);
}

/** Returns the error for the caller, or null if the connection broke. */
function refusalOf(error: Error): CodedError | null {
  const code = errnoOf(error) ?? "";
  if (code === "HPE_HEADER_OVERFLOW") return new CodedError("headers_too_large");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new CodedError("request_timeout");
  if (code === "HPE_INVALID_METHOD" && UNKNOWN_METHOD.test(startOf(error))) return unknownMethod();
  return code.startsWith("HPE_") ? new CodedError("bad_request") : null;
}

function startOf(error: Error): string {
  const packet = "rawPacket" in error && Buffer.isBuffer(error.rawPacket) ? error.rawPacket : Buffer.alloc(0);
  return packet.toString("latin1", 0, 1_024);
}

/**
 * Sends the error. Discards what still arrives, within limits, so that the caller does not lose the
 * reply (RFC 9112 §9.6).
 */
function refuse(state: State, socket: Socket, error: CodedError): void {
  const open = [...(state.responses.get(socket) ?? [])].filter(({ writableEnded }) => !writableEnded);
  // The reply would become part of the body of one that has begun.
  if (!socket.writable || open.some(({ headersSent }) => headersSent)) return void socket.destroy();
  state.refused.set(socket, socket.bytesRead);
  log(state, error.code);
  socket.end(replyOf(state.clock, error));
  const cancel = state.clock.after(state.config.limits.refused_body_ms, () => socket.destroy());
  socket.once("close", cancel);
  // Its route waits for the rest of the body, or would reply after this.
  if (open.length > 0) socket.destroySoon();
}

function replyOf(clock: Clock, error: CodedError): string {
  const request_id = newId("req");
  const body = JSON.stringify(errorBody(error, { request_id, is_call: false }));
  const headers = {
    ...error.options.headers,
    date: new Date(clock.now()).toUTCString(),
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": request_id,
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${lines.join("")}\r\n${body}`;
}

/** Logs the first refusal with a code immediately, and later ones together: a line per interval. */
function log({ log: lines, clock, config, unlogged }: State, code: CodedError["code"]): void {
  const now_ms = clock.monotonic_ms();
  const { count, next_at_ms } = unlogged.get(code) ?? { count: 0, next_at_ms: now_ms };
  if (now_ms < next_at_ms) return void unlogged.set(code, { count: count + 1, next_at_ms });
  lines.info("requests_malformed", { code, count: count + 1 });
  unlogged.set(code, { count: 0, next_at_ms: now_ms + config.limits.malformed_log_interval_ms });
}
