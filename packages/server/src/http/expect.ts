/**
 * `Expect: 100-continue` (RFC 9110 §10.1.1). A caller that sends it waits before it sends its body.
 * The server sends 100 Continue only right before it reads the body, so a refused request costs no
 * upload. Without this, Node continues every request before a route sees it.
 */
import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { HttpServer } from "./fastify.ts";

const waiting = new WeakSet<IncomingMessage>();

export function deferContinue(server: HttpServer): void {
  server.server.on("checkContinue", (request, response) => {
    waiting.add(request);
    server.server.emit("request", request, response);
  });
  server.addHook("preParsing", (request, reply, payload, done) => {
    if (request.routeOptions.config.calls_function !== true) sendContinue(request, reply);
    done(null, payload);
  });
  server.addHook("onSend", (request, reply, payload, done) => {
    // The caller can send its body or skip it, so the start of the next request is unknown.
    if (isWaiting(request)) void reply.header("connection", "close");
    done(null, payload);
  });
}

/** Reports whether the caller waits for permission to send its body. */
export function isWaiting({ raw }: Pick<FastifyRequest, "raw">): boolean {
  return waiting.has(raw);
}

export function sendContinue({ raw }: Pick<FastifyRequest, "raw">, reply: FastifyReply): void {
  if (waiting.delete(raw)) reply.raw.writeContinue();
}
