/**
 * Bridges: the only way for a running function to reach the API. Each function process has its own
 * listener, which only that process can reach. The same HTTP server serves its connections, and a
 * request's socket identifies the process. Owns the set of routes that a function can reach.
 *
 * Must not know how a process is started: the runner provides its listener.
 */
import type { Server as Listener, Socket } from "node:net";
import type { FastifyRequest } from "fastify";
import type { Limits } from "../core/limits.ts";
import { CodedError } from "../core/errors.ts";
import type { HttpServer } from "./fastify.ts";

/** The function process on the other side of a bridge. */
export interface BridgedProcess {
  readonly process_id: string;
  readonly app_id: string;
}

/** Headers by which a proxy reports a client. A function is not a proxy. */
const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"];

const processes = new WeakMap<Socket, BridgedProcess>();

/** Returns the function process that sent the request, or null for the public listener. */
export function bridgeOf({ raw }: Pick<FastifyRequest, "raw">): BridgedProcess | null {
  return processes.get(raw.socket) ?? null;
}

/** Serves every connection of `listener` as requests of `process`. */
export function acceptBridge(
  { server }: HttpServer,
  listener: Listener,
  process: BridgedProcess,
  { function_bridge_connections }: Limits,
): void {
  listener.maxConnections = function_bridge_connections;
  listener.on("connection", (socket) => {
    processes.set(socket, process);
    server.emit("connection", socket);
  });
}

/** Hides all routes without `config: { bridge: true }` from functions. */
export function restrictBridges(server: HttpServer): void {
  server.addHook("onRequest", (request, _reply, done) => {
    if (bridgeOf(request) === null) return done();
    for (const name of FORWARDED) delete request.raw.headers[name];
    done(request.routeOptions.config.bridge === true ? undefined : new CodedError("route_not_found"));
  });
}
