/**
 * Bodies that no route reads to the end: of a request that is refused before its body arrived, and
 * of routes that read their bodies themselves. A caller that is still sending when its connection
 * closes can lose the reply (RFC 9112 §9.6). So the reply is sent immediately, and ends when the
 * rest of the body has been discarded, within limits.
 */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { HttpContext } from "./context.ts";
import { isWaiting } from "./expect.ts";
import type { HttpServer } from "./fastify.ts";

type DiscardDeps = Pick<HttpContext, "clock" | "config">;

/** Keeps the server from reading, or refusing, the bodies of the routes of `scope`. */
export function leaveBodiesUnread(scope: HttpServer): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _body, done) => done(null));
  scope.addHook("preParsing", (request, _reply, payload, done) => {
    // A function can accept a type that the server finds malformed.
    if (request.method !== "QUERY") request.headers = { "content-type": undefined };
    done(null, payload);
  });
}

/** Discards the rest of a request's body if the reply is sent before the body arrived. */
export function discardUnreadBodies(server: HttpServer, deps: DiscardDeps): void {
  server.addHook("onSend", (request, reply, payload, done) => {
    const { raw } = request;
    if (!isArriving(raw) || isWaiting(request) || !isContent(payload)) return done(null, payload);
    if (typeof payload === "string") void reply.header("content-length", Buffer.byteLength(payload));
    done(null, Readable.from(withRest(deps, typeof payload === "string" ? [payload] : payload, raw)));
  });
  server.addHook("onResponse", ({ raw }, _reply, done) => {
    // Otherwise Node would read the rest, of any length, to get to the next request.
    if (isArriving(raw)) raw.destroy();
    done();
  });
}

/** Without a body, a request can still be incomplete when its reply is sent. */
function isArriving({ complete, headers }: IncomingMessage): boolean {
  return !complete && (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0);
}

function isContent(payload: unknown): payload is string | Readable {
  return typeof payload === "string" || payload instanceof Readable;
}

async function* withRest(
  deps: DiscardDeps,
  body: Iterable<unknown> | AsyncIterable<unknown>,
  request: IncomingMessage,
): AsyncGenerator {
  yield* body;
  await discard(deps, request);
}

/** Discards the rest of a body. Resolves when it ended or exceeded a limit. */
function discard({ clock, config }: DiscardDeps, request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let left = config.limits.refused_body_bytes;
    const stop = (): void => {
      cancel();
      request.pause().off("data", onData).off("end", stop).off("close", stop).off("error", stop);
      resolve();
    };
    const onData = (chunk: Buffer): void => {
      left -= chunk.length;
      if (left < 0) stop();
    };
    const cancel = clock.after(config.limits.refused_body_ms, stop);
    request.on("data", onData).on("end", stop).on("close", stop).on("error", stop).resume();
  });
}
